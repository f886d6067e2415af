"""An environment from Python code: a class, a factory or an object of Gymnasium's API, under an id of its own.

It is registered with Gymnasium as `python/NAME-v0` in this process, so a config that names it works everywhere. Another
process does not know it: a run that is read back there must be given the environment again (`require`).
"""

import inspect
from collections.abc import Callable
from typing import Any, cast

import gymnasium

from reverie.envs.base import EnvConfig
from reverie.errors import UserError

PREFIX = "python/"
_OBJECTS: set[str] = set()
"""Ids that stand for one object, which plays one episode at a time."""


def register(env: gymnasium.Env | Callable[..., gymnasium.Env]) -> str:
    """Register `env` with Gymnasium under its own name, and return the id."""
    if isinstance(env, gymnasium.Env):
        name, entry = type(env.unwrapped).__name__, _always(_Borrowed(env))
        steps = env.spec.max_episode_steps if env.spec else None
    else:
        name, entry, steps = _name(env), env, None
    env_id = f"{PREFIX}{name}-v0"
    gymnasium.registry.pop(env_id, None)
    gymnasium.register(env_id, entry_point=cast(Any, entry), max_episode_steps=steps)
    (_OBJECTS.add if isinstance(env, gymnasium.Env) else _OBJECTS.discard)(env_id)
    return env_id


def require(config: EnvConfig | None) -> None:
    """Raise UserError where `config` names an environment from Python code that this process was not given."""
    if config is not None and config.id.startswith(PREFIX) and config.id not in gymnasium.registry:
        raise UserError(
            f"{config.id} was given as Python code: give it again as `env`, such as `reverie.resume(folder, env=...)`."
        )


def is_object(config: EnvConfig) -> bool:
    """Whether `config` names one object, which cannot be played twice at once."""
    return config.id in _OBJECTS


class _Borrowed(gymnasium.Env):
    """An object that belongs to the caller: everything is passed on to it but `close`."""

    def __init__(self, env: gymnasium.Env) -> None:
        self.env = env
        self.metadata, self.render_mode = env.metadata, env.render_mode
        self.observation_space, self.action_space = env.observation_space, env.action_space

    def __getattr__(self, name: str) -> Any:
        if name == "env":
            raise AttributeError(name)
        return getattr(self.env.unwrapped, name)

    def reset(self, **options: Any) -> Any:
        return self.env.reset(**options)

    def step(self, action: Any) -> Any:
        return self.env.step(action)

    def render(self) -> Any:
        return self.env.render()

    def close(self) -> None:
        """Leave the object open."""


def _always(env: gymnasium.Env) -> Callable[[], gymnasium.Env]:
    def entry() -> gymnasium.Env:
        return env

    return entry


def _name(factory: Callable[..., gymnasium.Env]) -> str:
    name = factory.__name__ if inspect.isclass(factory) or inspect.isfunction(factory) else type(factory).__name__
    return "".join(letter for letter in name if letter.isalnum() or letter == "_")
