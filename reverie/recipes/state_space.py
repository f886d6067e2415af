"""State-space model: learn from recorded data how a world moves; nobody acts.

The world model of PlaNet and Dreamer (Hafner 2019, Sec. 3) on its own. The data are random interaction with an
environment (`--env.id`), or what an agent has collected: `--data AgentReplay --data.run runs/planet-Pendulum-v1-0`.
`--model.dynamics SSM`, `RNN` or `Deterministic` swaps the latent model.

Reading path:
    reverie/recipes/state_space.py          this file: what is put together
    reverie/dynamics/rssm.py                the latent model
    reverie/signals/                        what it learns from
    reverie/evaluation/prediction.py          how its predictions are judged
    reverie/runs/loop.py                        the training loop

Sizes: the models of Dreamer V1's sizes.
"""

from reverie.recipes.dreamer_v1 import DEFAULT_ENV, dreamer_v1
from reverie.recipes.vae import frames
from reverie.runs.config import OfflineConfig, OfflineTrainingConfig


def state_space(size: str, env_id: str | None) -> OfflineConfig:
    """The config of one size, for one environment's random interaction."""
    env_id = env_id or DEFAULT_ENV[size]
    like = dreamer_v1(size, env_id)
    budget = {
        "tiny": OfflineTrainingConfig(60, 4, 8, log_every=20, checkpoint_every=20, evaluate_every=30),
        "laptop": OfflineTrainingConfig(2_000, 16, 24, evaluate_every=500),
        "paper": OfflineTrainingConfig(100_000, 50, 50, log_every=500, checkpoint_every=5_000, evaluate_every=5_000),
    }
    return OfflineConfig("state_space", size, data=frames(size, env_id), model=like.model, training=budget[size])
