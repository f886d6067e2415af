"""The environment that `train`, `resume` and `evaluate` are given: an id, a config, settings of one, or Python code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reverie import envs
from reverie.config.overrides import as_text, override
from reverie.envs import from_python
from reverie.envs.base import EnvConfig, Environment
from reverie.envs.from_python import GymnasiumObject
from reverie.errors import UserError

EnvArgument = str | EnvConfig | Mapping[str, Any] | GymnasiumObject | Callable[..., Any]
"""An id, a config, settings of a config by name, an object, or what makes one: a class or a factory."""


@dataclass(frozen=True)
class _Settings:
    """A parent for settings, so that messages name them `env.X`."""

    env: EnvConfig = field(default_factory=EnvConfig)


def make_env(env: EnvArgument, **settings: Any) -> Environment:
    """Make one environment in the library's form; close it when done.

    `env` is an id, a config, a class, a factory or an object. `settings` are fields of `EnvConfig`, such as
    `image_size=32`. UserError for an unknown id or setting, and for whatever else the user can put right.
    """
    config = choose_environment(EnvConfig(), env)
    return envs.make(choose_environment(config, settings) if settings else config)


def choose_environment(base: EnvConfig, env: EnvArgument | None) -> EnvConfig:
    """The config of `env`, which takes from `base` what `env` does not say.

    An id replaces that of `base`, a mapping its settings (`{"kwargs": "g=5"}`); an `EnvConfig` is taken as it is.
    UserError for an environment from Python code where `base` plays several or in workers.
    """
    if env is None:
        return base
    if isinstance(env, EnvConfig):
        return env
    if isinstance(env, str):
        return replace(base, id=env)
    if isinstance(env, Mapping):
        return override(_Settings(base), {f"env.{name}": as_text(value) for name, value in env.items()}).env
    if not (isinstance(env, GymnasiumObject) or callable(env)):
        raise UserError(
            f"`env` is a {type(env).__name__}: give an id, a class, a factory or an object of Gymnasium's API."
        )
    if base.count != 1 or base.workers:
        raise UserError("An environment from Python code is played alone: set env.count to 1 and env.workers to false.")
    return replace(base, id=from_python.register(env))
