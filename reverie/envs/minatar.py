"""MinAtar (Young & Tian 2019): five Atari games on a 10 x 10 grid, quick enough to learn on a CPU.

What the agent sees is the game's own image: one channel for each kind of thing, 255 where it is. An episode is the
game's, sticky actions (0.1) and rising difficulty included. Ids are those of the package: `-v1` has the actions that do
something in the game, `-v0` all six.
"""

import importlib.util
import logging
import sys
from typing import Any

import numpy as np

from reverie.envs.base import EnvConfig, Step
from reverie.envs.conversions import as_colors, checked_action, over, resized, uniform_actions
from reverie.errors import UserError, nearest
from reverie.spaces import ActionSpace, EnvSpec, Space

GAMES = ("asterix", "breakout", "freeway", "seaquest", "space_invaders")
PREFIX = "MinAtar/"
ACTIONS = 6
LONGEST, FREEWAY = 10_000, 2_500
"""Frames after which an episode is cut where `time_limit` says nothing. Only Freeway has a limit of its own, which it
calls an end but does not show; it is cut just before."""
CELL = 32
"""Pixels of a cell in `render`, for people."""

MISSING = "pip install 'reverie[minatar]'"
INSTALLED = importlib.util.find_spec("minatar") is not None
LABEL = "MinAtar" if INSTALLED else f"MinAtar ({MISSING})"


def matches(env_id: str) -> bool:
    """Ids that begin with `MinAtar/`."""
    return env_id.startswith(PREFIX)


def ids() -> list[str]:
    """Both versions of every game, if the package is installed."""
    names = [game.title().replace("_", "") for game in GAMES]
    return [f"{PREFIX}{name}-v{version}" for name in names for version in (0, 1)] if INSTALLED else []


class MinAtarEnvironment:
    """One game. `pixels` is all that there is to observe: `(image_size, image_size, channels)`, 4 to 10 channels.

    Raises UserError for an unknown game, a missing package, other observations, cameras or settings.
    """

    def __init__(self, config: EnvConfig) -> None:
        self._config = config
        game, every = _named(config.id)
        if config.observe not in (("pixels",), ("all",)):
            raise UserError(f"{config.id} has no observation {config.observe[0]!r}: leave out --env.observe.")
        if config.kwargs or config.camera is not None or config.rendering != "stock":
            raise UserError(f"{config.id} takes no --env.kwargs, --env.camera or --env.rendering: leave them out.")
        self._game = _open(game)
        self._actions = list(range(ACTIONS)) if every else list(self._game.minimal_action_set())
        channels = int(self._game.state_shape()[2])
        pixels = Space((config.image_size, config.image_size, channels), "uint8")
        self._spec = EnvSpec({"pixels": pixels}, ActionSpace(len(self._actions), discrete=True), config.repeat)
        self._left = 0
        self._longest = min(config.time_limit or LONGEST, FREEWAY if game == "freeway" else sys.maxsize)

    @property
    def spec(self) -> EnvSpec:
        return self._spec

    def reset(self, seed: int) -> Step:
        self._game.seed(int(seed) % 2**32)
        self._game.last_action = 0  # a sticky action must not come from the last episode
        self._game.reset()
        self._left = self._longest
        return Step(self._observed(), 0.0, is_first=True, is_last=False, is_terminal=False)

    def step(self, action: np.ndarray) -> Step:
        if self._left == 0:
            raise over()
        chosen = self._actions[int(checked_action(action, self._spec.action).argmax())]
        total, ended = 0.0, False
        for _ in range(min(self._config.repeat, self._left)):
            reward, ended = self._game.act(chosen)
            total += float(reward)
            self._left = 0 if ended else self._left - 1
            if ended:
                break
        return Step(self._observed(), total, False, self._left == 0, bool(ended))

    @property
    def restricts_actions(self) -> bool:
        return False

    def legal_actions(self, count: int, seed: int) -> np.ndarray:
        if self._left == 0:
            raise over()
        return uniform_actions(self._spec.action, count, np.random.default_rng(seed))

    def render(self) -> np.ndarray:
        """Each kind of thing in a color of its own."""
        picture = as_colors(self._game.state().astype(np.uint8) * 255)
        return picture.repeat(CELL, 0).repeat(CELL, 1)

    def close(self) -> None:
        """Nothing is held."""

    def _observed(self) -> dict[str, np.ndarray]:
        image = self._game.state().astype(np.uint8) * 255
        return {"pixels": resized(image, self._config.image_size)}


def _named(env_id: str) -> tuple[str, bool]:
    """The game's module, and whether all actions are wanted."""
    known = {f"{PREFIX}{game.title().replace('_', '')}-v{v}": (game, v == 0) for game in GAMES for v in (0, 1)}
    if env_id not in known:
        raise UserError(f"MinAtar has no game {env_id!r}.{nearest(env_id, known)} There is {', '.join(known)}.")
    return known[env_id]


def _open(game: str) -> Any:
    if not INSTALLED:
        raise UserError(f"MinAtar is not installed: {MISSING}.")
    logging.disable(logging.WARNING)  # importing it says that it cannot draw without seaborn; it need not
    try:
        from minatar import Environment
    finally:
        logging.disable(logging.NOTSET)
    return Environment(game)
