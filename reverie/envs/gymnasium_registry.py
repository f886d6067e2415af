"""Gymnasium's registry: how an id and its settings become an environment, each failure one sentence.

An id is one of Gymnasium's own, one that an installed plug-in registers, or `module:Env-v0`, where importing `module`
registers it.
"""

import importlib
import os
import warnings
from contextlib import suppress
from typing import Any

from reverie.config import plugins
from reverie.envs.base import EnvConfig
from reverie.envs.conversions import refuse_settings
from reverie.envs.mujoco_rendering import choose_gl
from reverie.errors import UserError, nearest

RESERVED = ("render_mode", "max_episode_steps", "disable_env_checker")
"""Arguments of `gymnasium.make` that Reverie chooses."""


def load() -> Any:
    """Import Gymnasium when first needed (0.3 s), without pygame's greeting or its search for a screen."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    import gymnasium

    return gymnasium


def has(env_id: str) -> bool:
    """Return whether Gymnasium has the id without any plug-in; an id with a module in front counts as one."""
    return ":" in env_id or env_id in load().registry


def open_registered(config: EnvConfig) -> Any:
    """Return the Gymnasium environment that `config` names, with rgb_array rendering where it has any.

    Raises UserError for an unknown id, a missing module or package, refused settings, and an episode without a time
    limit.
    """
    refuse_settings(config, "camera", "rendering")
    spec = find_spec(config.id)
    if "mujoco" in str(spec.entry_point):
        choose_gl()
    # Gymnasium's own checker warns of what `reverie check-env` names in full.
    settings = parse_kwargs(config.kwargs) | {"disable_env_checker": True}
    if config.time_limit is not None:
        settings["max_episode_steps"] = config.time_limit
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            env = _make(spec.id, settings)
    except Exception as error:  # a constructor may raise anything
        reason = next(iter(str(error).splitlines()), "").partition(" was raised from the environment creator")[0]
        reason = reason.rstrip(".") or type(error).__name__
        if "must inherit from the gymnasium.Env" in str(error):
            raise UserError(
                f"{config.id} gives no environment: its class or factory must give a gymnasium.Env."
            ) from error
        if config.kwargs:
            raise UserError(f"{config.id} does not take --env.kwargs {','.join(config.kwargs)}: {reason}.") from error
        hint = "; give arguments as --env.kwargs name=value" if isinstance(error, TypeError) else ""
        raise UserError(f"{config.id} cannot be made: {reason}{hint}.") from error
    if spec.max_episode_steps is None and config.time_limit is None:
        env.close()
        raise UserError(f"{config.id} has no time limit: give one in frames with --env.time_limit 1000.")
    return env


def parse_kwargs(texts: tuple[str, ...]) -> dict[str, Any]:
    """Parse `name=value` texts. A value is an int, a float, true, false or else a text."""
    values: dict[str, Any] = {}
    for text in texts:
        name, _, value = (part.strip() for part in text.partition("="))
        if not (name.isidentifier() and value):
            raise UserError(f"{text!r} in --env.kwargs is not of the form name=value.")
        if name in RESERVED:
            raise UserError(f"--env.kwargs cannot set {name}: Reverie chooses it (--env.time_limit, --env.observe).")
        values[name] = _parse(value)
    return values


def _parse(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _make(env_id: str, settings: dict[str, Any]) -> Any:
    """Make it with rgb_array rendering, or without where its constructor takes no render mode or not this one."""
    gymnasium = load()
    try:
        return gymnasium.make(env_id, render_mode="rgb_array", **settings)
    except Exception as error:
        if "render_mode" not in str(error):
            with suppress(Exception):
                return gymnasium.make(env_id, **settings)
            raise
    return gymnasium.make(env_id, **settings)


def find_spec(env_id: str) -> Any:
    """Return Gymnasium's entry of an id."""
    gymnasium = load()
    module, _, name = env_id.rpartition(":")
    if module:
        plugins.add_current_folder()
        what = f"{env_id} needs the module {module!r}, which cannot be imported"
        with plugins.explain_errors(what, "mend it, or install its package"):
            importlib.import_module(module)
    try:
        return gymnasium.spec(name)
    except gymnasium.error.DeprecatedEnv as error:
        raise UserError(f"{error}".replace("`", "").rstrip(".") + ".") from error
    except gymnasium.error.Error as error:
        raise UserError(
            f"Gymnasium has no environment {name!r}.{nearest(name, gymnasium.registry)} `reverie envs` lists the ids;"
            " one of another package is written module:Env-v0."
        ) from error
