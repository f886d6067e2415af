"""A random world that needs memory: catch a ball that jumps to one side, then falls behind a curtain.

For studies of latent models. The jump has two outcomes of equal probability, and their mean never occurs. While the
ball is hidden, no image shows where it is.
"""

from typing import Any

import gymnasium
import numpy as np

from reverie_worlds.fork import SIZE, BallWorld, draw_ball

RADIUS = 1.5
START_ROW, FORK_STEP, JUMP = 1, 2, 3
HIDDEN_ROWS = range(5, 10)
LANDING_ROW, PADDLE_ROWS = 10, slice(14, 16)
STEPS = LANDING_ROW - START_ROW
"""Decisions of an episode."""
SPEED, HALF_WIDTH = 1.1, 1.5
"""Pixels that the paddle moves at most in a decision, and pixels from its middle to its end."""
REACH = 4.0
"""Distance from the ball's column, in pixels, from which on the reward is 0."""


class Curtain(BallWorld):
    """`reverie/Curtain-v0`: a falling ball, a gray curtain and a paddle, uint8 (16, 16, 1).

    The ball falls a row a step from a random column. At the second step it jumps 3 pixels left or right, each with
    probability 1/2. Then the curtain hides it for five steps. The action, one number in [-1, 1], moves the paddle by
    at most 1.1 pixels. When the ball lands the episode ends, with the reward `max(0, 1 - |paddle - ball| / 4)`; all
    other rewards are 0.
    """

    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    row, column, paddle = START_ROW, SIZE // 2, SIZE / 2 - 0.5

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.row, self.paddle = START_ROW, SIZE / 2 - 0.5
        self.column = int(self.np_random.integers(4, SIZE - 4))
        return self.picture(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.row += 1
        if self.row == START_ROW + FORK_STEP:
            self.column += JUMP if self.np_random.random() < 0.5 else -JUMP
        moved = self.paddle + SPEED * float(np.clip(action[0], -1, 1))
        self.paddle = float(np.clip(moved, HALF_WIDTH, SIZE - 1 - HALF_WIDTH))
        landed = self.row == LANDING_ROW
        reward = max(0.0, 1 - abs(self.paddle - self.column) / REACH) if landed else 0.0
        return self.picture(), reward, landed, False, {}

    def picture(self) -> np.ndarray:
        return picture(self.row, self.column, self.paddle)


def picture(row: int, column: int, paddle: float) -> np.ndarray:
    """Draw the curtain, the ball (if it is not hidden) and the paddle, uint8 (16, 16, 1)."""
    canvas = np.zeros((SIZE, SIZE))
    canvas[HIDDEN_ROWS] = 60
    if row not in HIDDEN_ROWS:
        canvas = np.maximum(canvas, draw_ball(row, column, RADIUS))
    canvas[PADDLE_ROWS] = 255 * np.clip(HALF_WIDTH + 0.5 - np.abs(np.arange(SIZE) - paddle), 0, 1)
    return canvas.astype(np.uint8)[..., None]
