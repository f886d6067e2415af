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

from reverie.envs.base import EnvConfig, Step
from reverie.envs.conversions import (
    as_colors,
    check_action,
    no_episode_error,
    refuse_other_than_pixels,
    refuse_settings,
    resize,
)
from reverie.errors import UserError, nearest
from reverie.spaces import ActionSpace, EnvSpec, Space

GAMES = ("asterix", "breakout", "freeway", "seaquest", "space_invaders")
PREFIX = "MinAtar/"
GAME_IDS = {f"{PREFIX}{game.title().replace('_', '')}-v{v}": (game, v == 0) for game in GAMES for v in (0, 1)}
"""Id -> the game's module in the package, and whether all six actions are wanted."""
ACTIONS = 6
LONGEST, FREEWAY = 10_000, 2_500
"""Frames after which an episode is cut without a `time_limit`. Only Freeway has a limit of its own. It reports that as
a terminal state without showing it, so its episodes are cut one frame before."""
CELL = 32
"""Pixels of a cell in `render`."""

MISSING = "pip install 'reverie[minatar]'"
INSTALLED = importlib.util.find_spec("minatar") is not None
LABEL = "MinAtar" if INSTALLED else f"MinAtar ({MISSING})"


def matches(env_id: str) -> bool:
    """Ids that begin with `MinAtar/`."""
    return env_id.startswith(PREFIX)


def ids() -> list[str]:
    """Both versions of every game, if the package is installed."""
    return list(GAME_IDS) if INSTALLED else []


class MinAtarEnvironment:
    """One game. Its only observation is `pixels`, `(image_size, image_size, channels)` with 4 to 10 channels.

    Raises UserError for an unknown game, a missing package, other observations, cameras or settings.
    """

    def __init__(self, config: EnvConfig) -> None:
        self._config = config
        game, every = _game_and_actions(config.id)
        refuse_other_than_pixels(config)
        refuse_settings(config, "kwargs", "camera", "rendering")
        self._game = _open(game)
        self._actions = list(range(ACTIONS)) if every else list(self._game.minimal_action_set())
        channels = int(self._game.state_shape()[2])
        pixels = Space((config.image_size, config.image_size, channels), "uint8")
        self.spec = EnvSpec({"pixels": pixels}, ActionSpace(len(self._actions), discrete=True), config.repeat)
        self._left = 0
        self._longest = min(config.time_limit or LONGEST, FREEWAY if game == "freeway" else sys.maxsize)

    def reset(self, seed: int) -> Step:
        self._game.seed(int(seed) % 2**32)
        self._game.last_action = 0  # a sticky action must not come from the last episode
        self._game.reset()
        self._left = self._longest
        return Step(self._observe(), 0.0, is_first=True, is_last=False, is_terminal=False)

    def step(self, action: np.ndarray) -> Step:
        if self._left == 0:
            raise no_episode_error()
        chosen = self._actions[int(check_action(action, self.spec.action).argmax())]
        total, ended = 0.0, False
        for _ in range(min(self._config.repeat, self._left)):
            reward, ended = self._game.act(chosen)
            total += float(reward)
            self._left = 0 if ended else self._left - 1
            if ended:
                break
        return Step(self._observe(), total, False, self._left == 0, bool(ended))

    def render(self) -> np.ndarray:
        """Draw each kind of object in a color of its own."""
        picture = as_colors(self._image())
        return picture.repeat(CELL, 0).repeat(CELL, 1)

    def close(self) -> None:
        """Nothing is held."""

    def _observe(self) -> dict[str, np.ndarray]:
        return {"pixels": resize(self._image(), self._config.image_size)}

    def _image(self) -> np.ndarray:
        return self._game.state().astype(np.uint8) * 255


def _game_and_actions(env_id: str) -> tuple[str, bool]:
    """Return the game's module, and whether all six actions are wanted."""
    if env_id not in GAME_IDS:
        raise UserError(f"MinAtar has no game {env_id!r}.{nearest(env_id, GAME_IDS)} There is {', '.join(GAME_IDS)}.")
    return GAME_IDS[env_id]


def _open(game: str) -> Any:
    if not INSTALLED:
        raise UserError(f"MinAtar is not installed: {MISSING}.")
    logging.disable(logging.WARNING)  # its import warns that it cannot draw without seaborn, which is not needed
    try:
        from minatar import Environment
    finally:
        logging.disable(logging.NOTSET)
    return Environment(game)
