"""Gymnasium's registry: how an id and its settings become an environment, each failure one sentence.

An id is one of Gymnasium's own, one that an installed plug-in registers, or `module:Env-v0`, where importing `module`
registers it.
"""

import importlib
import inspect
import os
from typing import Any

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
    gymnasium, spec = load(), _find_spec(config.id)
    if "mujoco" in str(spec.entry_point):
        choose_gl()
    try:
        # Gymnasium's own checker warns of what `reverie check-env` names in full.
        settings = parse_kwargs(config.kwargs) | {"disable_env_checker": True}
        if config.time_limit is not None:
            settings["max_episode_steps"] = config.time_limit
        if _takes_render_mode(spec.entry_point):
            settings["render_mode"] = "rgb_array"
        env = gymnasium.make(spec.id, **settings)
    except (gymnasium.error.Error, ImportError) as error:
        raise UserError(f"{config.id} cannot be made: {error}") from error
    except (TypeError, ValueError, KeyError, AssertionError) as error:
        if "must inherit from the gymnasium.Env" in str(error):
            fix = "its class or factory must give a gymnasium.Env"
            raise UserError(f"{config.id} gives no environment: {fix}.") from error
        if not config.kwargs:
            raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"{config.id} does not take --env.kwargs {','.join(config.kwargs)}: {reason}") from error
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


def _find_spec(env_id: str) -> Any:
    """Return Gymnasium's entry of an id."""
    gymnasium = load()
    module, _, name = env_id.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        return gymnasium.spec(name)
    except ImportError as error:
        raise UserError(f"{env_id} needs the module {module!r}, which cannot be imported: {error}") from error
    except gymnasium.error.UnregisteredEnv as error:
        raise UserError(
            f"Gymnasium has no environment {name!r}.{nearest(name, gymnasium.registry)} `reverie envs` lists the ids;"
            " one of another package is written module:Env-v0."
        ) from error


def _takes_render_mode(entry: Any) -> bool:
    """Return whether a class has the render mode rgb_array, or a function takes a render mode."""
    creator = entry if callable(entry) else load().envs.registration.load_env_creator(entry)
    if hasattr(creator, "metadata"):
        return "rgb_array" in creator.metadata.get("render_modes", [])
    return "render_mode" in inspect.signature(creator).parameters
