"""An environment for which no recipe was tuned: a dot is pushed onto a patch of a 12x12 board.

An observation is a dict of an image (12, 12, 3) and a vector with the dot's place. Four actions move the dot by one
field. The episode ends with reward 1 on the patch, or without after 60 steps; every other step costs 0.01.
"""

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces

SIDE, STEPS, COST = 12, 60, 0.01
MOVES = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]])


class DotBoard(gymnasium.Env):
    """The patch is two fields wide and never where the dot begins."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.action_space = spaces.Discrete(4)
        self.observation_space = spaces.Dict(
            {
                "board": spaces.Box(0, 255, (SIDE, SIDE, 3), np.uint8),
                "place": spaces.Box(0.0, 1.0, (2,), np.float32),
            }
        )

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        super().reset(seed=seed)
        self.patch = self.np_random.integers(0, SIDE - 1, 2)
        self.dot = self.np_random.integers(0, SIDE, 2)
        while self.on_patch:
            self.dot = self.np_random.integers(0, SIDE, 2)
        return self._observe(), {}

    @property
    def on_patch(self) -> bool:
        return bool(((self.dot >= self.patch) & (self.dot <= self.patch + 1)).all())

    def step(self, action: int) -> tuple[dict, float, bool, bool, dict]:
        self.dot = np.clip(self.dot + MOVES[action], 0, SIDE - 1)
        done = self.on_patch
        return self._observe(), 1.0 if done else -COST, done, False, {}

    def render(self) -> np.ndarray:
        board = np.zeros((SIDE, SIDE, 3), np.uint8)
        row, column = self.patch
        board[row : row + 2, column : column + 2] = (0, 160, 80)
        board[tuple(self.dot)] = (255, 255, 255)
        return board

    def _observe(self) -> dict[str, np.ndarray]:
        return {"board": self.render(), "place": (self.dot / (SIDE - 1)).astype(np.float32)}


gymnasium.register("DotBoard-v0", DotBoard, max_episode_steps=STEPS)
