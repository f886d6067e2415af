"""The argument `env` of `train`, `resume` and `evaluate`: an id, a config, settings of one, or Python code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reverie import envs
from reverie.config import plugins
from reverie.config.overrides import as_text, override
from reverie.envs import from_python
from reverie.envs.base import EnvConfig, Environment
from reverie.envs.from_python import GymnasiumObject
from reverie.errors import UserError
from reverie.runs.config import OnlineConfig, RunConfig

EnvArgument = str | EnvConfig | Mapping[str, Any] | GymnasiumObject | Callable[..., Any]
"""An id, a config, settings of a config by name, an object, a class or a factory."""


@dataclass(frozen=True)
class _Settings:
    """A parent for settings, so that messages name them `env.X`."""

    env: EnvConfig = field(default_factory=EnvConfig)


def make_env(env: EnvArgument, **settings: Any) -> Environment:
    """Make one environment in the library's form. Close it after use.

    `env` is an id, a config, a class, a factory or an object. `settings` are fields of `EnvConfig`, such as
    `image_size=32`. UserError for an unknown id or setting, and for other mistakes that the user can correct.
    """
    config = choose_environment(EnvConfig(), env)
    return envs.make(choose_environment(config, settings) if settings else config)


def choose_environment(base: EnvConfig, env: EnvArgument | None) -> EnvConfig:
    """Return the config of `env`; what `env` leaves open comes from `base`.

    An id replaces that of `base`, a mapping its settings (`{"kwargs": "g=5"}`); an `EnvConfig` is taken as it is.
    UserError for an environment from Python code if `base` has several copies or workers.
    """
    if env is None:
        return base
    if isinstance(env, EnvConfig):
        return env
    if isinstance(env, str):
        plugins.trust(env)
        return replace(base, id=env)
    if isinstance(env, Mapping):
        plugins.trust(str(env.get("id", "")))
        return override(_Settings(base), {f"env.{name}": as_text(value) for name, value in env.items()}).env
    if not (isinstance(env, GymnasiumObject) or callable(env)):
        raise UserError(
            f"`env` is a {type(env).__name__}: give an id, a class, a factory or an object of Gymnasium's API."
        )
    if base.count != 1 or base.workers:
        raise UserError("An environment from Python code is played alone: set env.count to 1 and env.workers to false.")
    return replace(base, id=from_python.register(env))


def with_environment(config: RunConfig, env: EnvArgument | None) -> RunConfig:
    """Return the config of a run with another environment to play, or to record."""
    if env is None:
        return config
    if config.env is None:
        raise UserError(f"{config.world} is recorded data, so there is no environment that `env` could replace.")
    chosen = choose_environment(config.env, env)
    if not isinstance(config, OnlineConfig):
        return replace(config, data=replace(config.data, env=chosen))  # pyrefly: ignore
    if from_python.is_object(chosen) and config.evaluation.every > 0:
        raise UserError(
            "One environment object cannot be evaluated while it is trained in: set evaluation.every to 0, or give "
            "its class or a factory."
        )
    return replace(config, env=chosen)
