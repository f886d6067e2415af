"""MinAtar (Young & Tian 2019): five Atari games on a 10 x 10 grid, quick enough to learn on a CPU.

The observation is the game's own image: one channel for each kind of object, 255 where it is. An episode is the game's,
sticky actions (0.1) and rising difficulty included. Ids are those of the package: `-v1` has the actions that have an
effect in the game, `-v0` all six.
"""

import importlib.util
import logging
import sys
from typing import Any

import numpy as np

from reverie.envs.base import EnvConfig
from reverie.envs.conversions import as_colors, refuse_other_than_pixels, refuse_settings
from reverie.envs.gymnasium import GymEnvironment
from reverie.envs.gymnasium_registry import load
from reverie.errors import UserError, nearest

GAMES = ("asterix", "breakout", "freeway", "seaquest", "space_invaders")
PREFIX = "MinAtar/"
GAME_IDS = {f"{PREFIX}{game.title().replace('_', '')}-v{v}": (game, v == 0) for game in GAMES for v in (0, 1)}
"""Id -> the game's module in the package, and whether all six actions are wanted."""
LONGEST, FREEWAY = 10_000, 2_500
"""Frames after which an episode is cut without a `time_limit`. Only Freeway has a limit of its own. It reports that as
a terminal state without showing it, so its episodes are cut one frame before."""
CELL = 32
"""Pixels of a cell in `render`."""

MEANINGS = {"n": "noop", "l": "left", "u": "up", "r": "right", "d": "down", "f": "fire"}

MISSING = "pip install 'reverie[minatar]'"
INSTALLED = importlib.util.find_spec("minatar") is not None
LABEL = "MinAtar" if INSTALLED else f"MinAtar ({MISSING})"


def matches(env_id: str) -> bool:
    return env_id.startswith(PREFIX)


def ids() -> list[str]:
    """Return both versions of every game, if the package is installed."""
    return list(GAME_IDS) if INSTALLED else []


class MinAtarEnvironment(GymEnvironment):
    """One game. Its only observation is `pixels`, `(image_size, image_size, channels)` with 4 to 10 channels.

    Raises UserError for an unknown game, a missing package, other observations, cameras or settings.
    """

    def __init__(self, config: EnvConfig) -> None:
        if config.id not in GAME_IDS:
            hint = nearest(config.id, GAME_IDS)
            raise UserError(f"MinAtar has no game {config.id!r}.{hint} There is {', '.join(GAME_IDS)}.")
        refuse_other_than_pixels(config)
        refuse_settings(config, "kwargs", "camera", "rendering")
        super().__init__(config, _Game(*GAME_IDS[config.id], config.time_limit or LONGEST))


class _Game:
    """A game of the package with Gymnasium's methods. The package's own class keeps an episode's last action."""

    render_mode = "rgb_array"

    def __init__(self, name: str, all_actions: bool, time_limit: int) -> None:
        self.unwrapped, self.game = self, _open(name)
        self.actions = list(range(self.game.num_actions())) if all_actions else list(self.game.minimal_action_set())
        self.longest, self.frames = min(time_limit, FREEWAY if name == "freeway" else sys.maxsize), 0
        spaces = load().spaces
        image = spaces.Box(0, 255, self.game.state_shape(), np.uint8)
        self.observation_space = spaces.Dict({"pixels": image})
        self.action_space = spaces.Discrete(len(self.actions))

    def reset(self, seed: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        self.game.seed(seed % 2**32)
        self.game.last_action = 0  # a sticky action must not come from the last episode
        self.game.reset()
        self.frames = 0
        return self._observe(), {}

    def step(self, action: np.int64) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        reward, ended = self.game.act(self.actions[action])
        self.frames += 1
        return self._observe(), reward, ended, self.frames == self.longest, {}

    def render(self) -> np.ndarray:
        """Draw each kind of object in a color of its own."""
        return as_colors(self._observe()["pixels"]).repeat(CELL, 0).repeat(CELL, 1)

    def get_action_meanings(self) -> list[str]:
        """Return the words for the package's letters, as Gymnasium's games do."""
        return [MEANINGS[self.game.env.action_map[action]] for action in self.actions]

    def close(self) -> None:
        pass

    def _observe(self) -> dict[str, np.ndarray]:
        return {"pixels": self.game.state().astype(np.uint8) * 255}


def _open(game: str) -> Any:
    if not INSTALLED:
        raise UserError(f"MinAtar is not installed: {MISSING}.")
    logging.disable(logging.WARNING)  # its import warns that it cannot draw without seaborn, which is not needed
    try:
        from minatar import Environment
    finally:
        logging.disable(logging.NOTSET)
    return Environment(game)
