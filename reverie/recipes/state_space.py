"""State-space model: learn from recorded data how a world moves, without acting.

The world model of PlaNet and Dreamer (Hafner 2019, Sec. 3) on its own. The data are random interaction with an
environment (`--env.id`), or an agent's replay: `--data AgentReplay --data.run runs/planet-Pendulum-v1-0`.
`--model.dynamics SSM`, `RNN` or `Deterministic` swaps the latent model.

Sizes: the models of Dreamer V1's sizes.
"""

from reverie.recipes.dreamer_v1 import DEFAULT_ENV, dreamer_v1
from reverie.recipes.presets import random_frames
from reverie.runs.config import OfflineConfig, OfflineTrainingConfig


def state_space(size: str, env_id: str | None) -> OfflineConfig:
    """The config of one size, for one environment's random interaction."""
    env_id = env_id or DEFAULT_ENV[size]
    model = dreamer_v1(size, env_id).model
    budget = {
        "tiny": OfflineTrainingConfig(60, 4, 8, log_every=20, checkpoint_every=20, evaluate_every=30),
        "laptop": OfflineTrainingConfig(2_000, 16, 24, evaluate_every=500),
        "paper": OfflineTrainingConfig(100_000, 50, 50, log_every=500, checkpoint_every=5_000, evaluate_every=5_000),
    }
    return OfflineConfig("state_space", size, data=random_frames(size, env_id), model=model, training=budget[size])
