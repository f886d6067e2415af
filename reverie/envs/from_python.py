"""An environment from Python code: a class, a factory or an object of Gymnasium's API, under an id of its own.

It is registered with Gymnasium as `python/NAME-v0` in this process, so a config that names it works everywhere. Another
process does not know it: a run that is read back there must be given the environment again (`require`).
"""

import inspect
from collections.abc import Callable
from typing import Any, Protocol, cast, runtime_checkable

from reverie.envs.base import EnvConfig
from reverie.errors import UserError

PREFIX = "python/"
_GIVEN: dict[str, bool] = {}
"""Ids that this process was given, and whether each is one object, which plays one episode at a time."""


@runtime_checkable
class GymnasiumObject(Protocol):
    """What is used of a `gymnasium.Env`."""

    observation_space: Any
    action_space: Any

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any: ...

    def step(self, action: Any) -> Any: ...


def register(env: GymnasiumObject | Callable[..., Any]) -> str:
    """Register an object, a class or a factory with Gymnasium under its own name, and return the id."""
    import gymnasium  # half a second, which only those who give an environment need to wait for

    is_object = not inspect.isclass(env) and isinstance(env, GymnasiumObject)
    spec = getattr(env, "spec", None) if is_object else None
    env_id = f"{PREFIX}{_name(env)}-v0"
    gymnasium.registry.pop(env_id, None)
    entry = _borrowed(env) if is_object else env
    gymnasium.register(env_id, entry_point=cast(Any, entry), max_episode_steps=spec.max_episode_steps if spec else None)
    _GIVEN[env_id] = is_object
    return env_id


def require(config: EnvConfig | None) -> None:
    """Raise UserError where `config` names an environment from Python code that this process was not given."""
    if config is not None and config.id.startswith(PREFIX) and config.id not in _GIVEN:
        raise UserError(
            f"{config.id} was given as Python code: give it again as `env`, such as `reverie.resume(folder, env=...)`."
        )


def is_object(config: EnvConfig) -> bool:
    """Whether `config` names one object, which cannot be played twice at once."""
    return _GIVEN.get(config.id, False)


def _borrowed(env: Any) -> Callable[[], Any]:
    """What makes a view of an object that belongs to the caller: everything is passed on to it but `close`."""
    import gymnasium

    class Borrowed(gymnasium.Env):
        metadata, render_mode = env.metadata, env.render_mode
        observation_space, action_space = env.observation_space, env.action_space

        def __getattr__(self, name: str) -> Any:
            return getattr(env.unwrapped, name)

        def reset(self, **options: Any) -> Any:
            return env.reset(**options)

        def step(self, action: Any) -> Any:
            return env.step(action)

        def render(self) -> Any:
            return env.render()

    return lambda: Borrowed()


def _name(env: Any) -> str:
    if inspect.isclass(env) or inspect.isfunction(env):
        name = env.__name__
    else:
        name = type(getattr(env, "unwrapped", env)).__name__
    return "".join(letter for letter in name if letter.isalnum() or letter == "_")
