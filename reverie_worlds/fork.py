"""A world with one random choice: a ball waits, or goes left or right by chance.

For studies of models that must represent several futures: `go` has two, `wait` has one. The mean of the two is an image
that never occurs.
"""

from abc import abstractmethod
from typing import Any

import gymnasium
import numpy as np

SIZE, RADIUS, JUMP = 16, 2.5, 5
WAIT, GO = 0, 1


class BallWorld(gymnasium.Env[np.ndarray, Any]):
    """Base of the worlds with a ball, uint8 (16, 16, 1)."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012
    observation_space = gymnasium.spaces.Box(0, 255, (SIZE, SIZE, 1), np.uint8)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    @abstractmethod
    def picture(self) -> np.ndarray:
        """Draw the present frame."""

    def render(self) -> np.ndarray | None:
        """Draw the present frame in gray, sixteen times as large."""
        if self.render_mode != "rgb_array":
            return None
        return np.broadcast_to(self.picture(), (SIZE, SIZE, 3)).repeat(16, 0).repeat(16, 1)


class Fork(BallWorld):
    """`reverie/Fork-v0`: a bright ball on a dark field, uint8 (16, 16, 1), in the middle column at a random height.

    Actions: 0 waits, 1 goes 5 pixels left or right, each with probability 1/2. The first action ends the episode. The
    reward is 1 on the right, else 0.
    """

    action_space = gymnasium.spaces.Discrete(2)
    row, column = 0, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.row, self.column = int(self.np_random.integers(3, SIZE - 3)), SIZE // 2
        return self.picture(), {}

    def step(self, action: np.int64 | int) -> tuple[np.ndarray, float, bool, bool, dict]:
        if action == GO:
            self.column += JUMP if self.np_random.random() < 0.5 else -JUMP
        return self.picture(), float(self.column > SIZE // 2), True, False, {}

    def picture(self) -> np.ndarray:
        return ball(self.row, self.column)


def draw_ball(row: int, column: int, radius: float) -> np.ndarray:
    """Draw a ball, brightness 0 to 255 (16, 16)."""
    y, x = np.mgrid[:SIZE, :SIZE]
    return 255 * np.clip(radius + 0.5 - np.hypot(y - row, x - column), 0, 1)


def ball(row: int, column: int) -> np.ndarray:
    """Draw a ball of `Fork`, uint8 (16, 16, 1)."""
    return draw_ball(row, column, RADIUS).astype(np.uint8)[..., None]
