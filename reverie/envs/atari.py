"""Atari 2600 games by the Arcade Learning Environment, as DreamerV2 and Machado et al. (2018) play them.

Ids are Gymnasium's, `ALE/Boxing-v5`. The published protocol is `AtariProtocol`, with an end after 108,000 frames. Each
decision is held for `repeat` frames (4 in every recipe), of which the last two are merged by their maximum.
"""

import importlib.util
from dataclasses import dataclass, field, fields
from typing import Any

from reverie.config.checks import Checked, at_least, between
from reverie.config.overrides import as_text, override
from reverie.envs.base import EnvConfig
from reverie.envs.conversions import refuse_other_than_pixels, refuse_settings
from reverie.envs.gymnasium import GymEnvironment
from reverie.envs.gymnasium_registry import load, parse_kwargs
from reverie.errors import UserError, nearest

PREFIX = "ALE/"
LONGEST = 108_000
MISSING = "pip install 'reverie[atari]'"
INSTALLED = importlib.util.find_spec("ale_py") is not None
LABEL = "Atari" if INSTALLED else f"Atari ({MISSING})"


def matches(env_id: str) -> bool:
    return env_id.startswith(PREFIX)


def ids() -> list[str]:
    """Return the games of the newest version, if the package is installed."""
    return sorted(name for name in _load_games().registry if name.startswith(PREFIX)) if INSTALLED else []


@dataclass(frozen=True)
class AtariProtocol(Checked):
    """How a game is played. `--env.kwargs sticky=0,life_loss=true` changes it."""

    sticky: float = field(default=0.25, metadata=between(0, 1))
    """Probability, 0 to 1, that the last action is repeated instead."""
    noops: int = field(default=30, metadata=at_least(0))
    """The most frames without an action at the start."""
    full_actions: bool = True
    """Whether all 18 actions are offered, or only those with an effect in the game."""
    life_loss: bool = False
    """Whether a lost life ends an episode."""
    grayscale: bool = True
    """Whether the screen is gray, one channel, or in color."""


class AtariEnvironment(GymEnvironment):
    """One game. `pixels` is the preprocessed screen, `(image_size, image_size, 1)`, or with 3 channels in color."""

    def __init__(self, config: EnvConfig) -> None:
        refuse_other_than_pixels(config)
        refuse_settings(config, "camera", "rendering")
        super().__init__(config, _open(config), steps=1)  # the wrapper repeats the action


def _open(config: EnvConfig) -> Any:
    protocol = _read_protocol(config)
    gymnasium = _load_games()
    if config.id not in gymnasium.registry:
        raise UserError(f"The Arcade Learning Environment has no {config.id!r}.{nearest(config.id, ids())}")
    env = gymnasium.make(
        config.id,
        frameskip=1,
        repeat_action_probability=protocol.sticky,
        full_action_space=protocol.full_actions,
        max_num_frames_per_episode=config.time_limit or LONGEST,
        render_mode="rgb_array",
        disable_env_checker=True,
    )
    screen = gymnasium.wrappers.AtariPreprocessing(
        env,
        noop_max=protocol.noops,
        frame_skip=config.repeat,
        screen_size=config.image_size,
        terminal_on_life_loss=protocol.life_loss,
        grayscale_obs=protocol.grayscale,
        grayscale_newaxis=protocol.grayscale,
    )
    space = gymnasium.spaces.Dict({"pixels": screen.observation_space})
    return gymnasium.wrappers.TransformObservation(screen, lambda image: {"pixels": image}, space)


def _read_protocol(config: EnvConfig) -> AtariProtocol:
    """Return the protocol with the changes in `config.kwargs`. UserError for a name that it does not have."""
    given, names = parse_kwargs(config.kwargs), [item.name for item in fields(AtariProtocol)]
    for name in given:
        if name not in names:
            raise UserError(f"{config.id} has no setting {name!r}: there is {', '.join(names)}.")
    return override(AtariProtocol(), {name: as_text(value) for name, value in given.items()})


def _load_games() -> Any:
    """Return Gymnasium with Atari's games."""
    if not INSTALLED:
        raise UserError(f"Atari is not installed: {MISSING}.")
    gymnasium = load()
    import ale_py

    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    gymnasium.register_envs(ale_py)
    return gymnasium
