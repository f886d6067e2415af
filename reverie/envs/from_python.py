"""An environment from Python code: a class, a factory or an object of Gymnasium's API, under an id of its own.

It is registered with Gymnasium as `python/NAME-v0` in this process, so a config that names it works everywhere. Another
process does not have it: a run that is read back there must be given the environment again (`require`).
"""

import inspect
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from reverie.envs.base import EnvConfig
from reverie.errors import UserError

PREFIX = "python/"
_REGISTERED: dict[str, bool] = {}
"""The ids of this process, and whether each is one object, which plays one episode at a time."""


@runtime_checkable
class GymnasiumObject(Protocol):
    """The part of a `gymnasium.Env` that is used."""

    observation_space: Any
    action_space: Any

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any: ...

    def step(self, action: Any) -> Any: ...


def register(env: GymnasiumObject | Callable[..., Any]) -> str:
    """Register an object, a class or a factory with Gymnasium under its own name, and return the id."""
    import gymnasium  # half a second, which only a caller with an environment of its own needs to wait for

    if hasattr(env, "single_action_space"):
        raise UserError(
            "A vector environment is not taken as an object, because evaluations need copies of their own: register it "
            "with gymnasium.register(id, vector_entry_point=...), and name it as vector/ID."
        )
    one_object = not inspect.isclass(env) and isinstance(env, GymnasiumObject)
    spec = getattr(env, "spec", None) if one_object else None
    named: Any = env if inspect.isclass(env) or inspect.isfunction(env) else type(getattr(env, "unwrapped", env))
    env_id = f"{PREFIX}{''.join(letter for letter in named.__name__ if letter.isalnum() or letter == '_')}-v0"
    entry: Any = _make_view(env) if one_object else env
    gymnasium.registry.pop(env_id, None)
    gymnasium.register(env_id, entry_point=entry, max_episode_steps=spec.max_episode_steps if spec else None)
    _REGISTERED[env_id] = one_object
    return env_id


def require(config: EnvConfig | None) -> None:
    """Raise UserError where `config` names an environment from Python code that this process does not have."""
    if config is not None and config.id.startswith(PREFIX) and config.id not in _REGISTERED:
        raise UserError(
            f"{config.id} was given as Python code: give it again as `env`, such as `reverie.resume(folder, env=...)`."
        )


def is_object(config: EnvConfig) -> bool:
    """Return whether `config` names one object, which cannot be played twice at once."""
    return _REGISTERED.get(config.id, False)


def _make_view(env: Any) -> Callable[[], Any]:
    """Return a maker of views of an object that belongs to the caller: it gets every call but `close`."""
    import gymnasium

    class View(gymnasium.Env):
        metadata, render_mode = env.metadata, env.render_mode
        observation_space, action_space = env.observation_space, env.action_space
        reset, step, render = staticmethod(env.reset), staticmethod(env.step), staticmethod(env.render)

        def __getattr__(self, name: str) -> Any:
            return getattr(env.unwrapped, name)

    return lambda: View()
