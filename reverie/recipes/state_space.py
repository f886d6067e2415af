"""State-space model: learn from recorded data how a world moves, without acting.

The world model of PlaNet and Dreamer (Hafner 2019, Sec. 3) on its own. The data are random interaction with an
environment (`--env.id`), or an agent's replay: `--data AgentReplay --data.run runs/planet-Pendulum-v1-0`.
`--model.dynamics SSM`, `RNN` or `Deterministic` swaps the latent model.

Sizes: the models of Dreamer V1's sizes.
"""

from reverie.recipes.dreamer_v1 import DEFAULT_ENV, dreamer_v1
from reverie.recipes.presets import offline_budget, random_frames
from reverie.runs.config import OfflineConfig


def state_space(size: str, env_id: str | None) -> OfflineConfig:
    env_id = env_id or DEFAULT_ENV[size]
    model = dreamer_v1(size, env_id).model
    budget = {"tiny": (60, 4, 8), "laptop": (2_000, 16, 24), "paper": (100_000, 50, 50)}[size]
    training = offline_budget(size, *budget)
    return OfflineConfig("state_space", size, data=random_frames(size, env_id), model=model, training=training)
