"""The family `example/`: a point on a plane that should go to the middle."""

import numpy as np

from reverie.envs import ActionSpace, EnvConfig, EnvSpec, Obs, Space, Step
from reverie.envs.conversions import check_action, resize
from reverie.errors import UserError, nearest

LABEL = "example"
SIZE = 32
"""Pixels of a side, as drawn."""
FRAMES = 50
"""Frames of an episode without a time limit of its own."""


def matches(env_id: str) -> bool:
    """Whether the id is of this family."""
    return env_id.startswith("example/")


def ids() -> list[str]:
    """The ids of this family."""
    return ["example/Point-v0"]


class PointEnvironment:
    """`example/Point-v0`: the action (2,) moves the point by at most 0.1; the reward is minus its distance to 0."""

    def __init__(self, config: EnvConfig) -> None:
        if config.id not in ids():
            raise UserError(f"There is no environment {config.id}.{nearest(config.id, ids())}")
        if config.observe != ("pixels",):
            raise UserError("A point is only observed as pixels: set --env.observe pixels.")
        self._config = config
        obs = {"pixels": Space((config.image_size, config.image_size, 3), "uint8")}
        self.spec = EnvSpec(obs, ActionSpace(2, discrete=False), config.repeat)
        self._place, self._frame = np.zeros(2), 0

    def reset(self, seed: int) -> Step:
        self._place = np.random.default_rng(seed).uniform(-1, 1, 2)
        self._frame = 0
        return Step(self._obs(), 0.0, is_first=True, is_last=False, is_terminal=False)

    def step(self, action: np.ndarray) -> Step:
        limit = self._config.time_limit or FRAMES
        if self._frame >= limit:
            raise UserError("The episode is over: reset the environment first.")
        move = 0.1 * check_action(action, self.spec.action)
        reward = 0.0
        for _ in range(self._config.repeat):
            self._place = (self._place + move).clip(-1, 1)
            self._frame += 1
            reward -= float(np.linalg.norm(self._place))
            if self._frame >= limit:
                break
        return Step(self._obs(), reward, is_first=False, is_last=self._frame >= limit, is_terminal=False)

    def render(self) -> np.ndarray:
        image = np.zeros((SIZE, SIZE, 3), np.uint8)
        column, row = ((self._place + 1) / 2 * (SIZE - 4)).astype(int)
        image[row : row + 4, column : column + 4] = 255
        return image

    def close(self) -> None:
        return

    def _obs(self) -> Obs:
        return {"pixels": resize(self.render(), self._config.image_size)}
