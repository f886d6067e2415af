"""Recipes: a method is a function from size and environment to a config. Adding one: a file, a line in `RECIPES`."""

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import cast

from reverie.config import plugins
from reverie.config.overrides import leaves, override
from reverie.data.base import RecordedConfig
from reverie.errors import UserError, nearest
from reverie.recipes import recorded, sizing
from reverie.runs.config import OfflineConfig, OnlineConfig, RunConfig

_LATENT = ("latent_prediction", "models/world_model", "dynamics/deterministic")
_V3 = ("models/world_model", "dynamics/block_rssm", "learners/joint_actor_critic")
RECIPES = {
    "autoencoder": (*_LATENT, "signals/reconstruction"),
    "cfm": (*_LATENT, "signals/contrastive"),
    "contrastive": (*_LATENT, "signals/contrastive"),
    "cvae": ("vae", "models/generative", "models/cvae", "models/likelihoods"),
    "dreamer_v1": ("dreamer_v1", "models/world_model", "dynamics/rssm", "learners/actor_critic"),
    "dreamer_v2": ("dreamer_v2", "models/world_model", "dynamics/latents", "learners/actor_critic"),
    "dreamer_v3": ("dreamer_v3", *_V3),
    "dreamer_v3_published": ("dreamer_v3", *_V3),
    "inverse": (*_LATENT, "signals/latent_prediction"),
    "joint": (*_LATENT, "signals/latent_prediction"),
    "naive": (*_LATENT, "signals/latent_prediction"),
    "pixel_forward": (*_LATENT, "signals/reconstruction"),
    "planet": ("planet", "models/world_model", "dynamics/rssm", "planning/cem"),
    "sigreg": (*_LATENT, "signals/regularization"),
    "state_space": ("state_space", "models/world_model", "dynamics/rssm", "signals/reconstruction"),
    "vae": ("vae", "models/generative", "models/vae", "models/likelihoods"),
    "vicreg": (*_LATENT, "signals/regularization"),
}
"""The recipe's own file, then those to read between it and `runs/update.py`, where the algorithm is visible."""
SIZES = ("tiny", "laptop", "paper")
"""Sizes of every recipe; a recipe's own file may have more, under the same name."""

Recipe = Callable[[str, str | None], RunConfig]
"""From a size and an environment's id (None for the recipe's own) to a config."""
_foreign: dict[str, Recipe] = {}


def recipe(function: Recipe) -> Recipe:
    """Add a recipe of another package by the function's name; its docstring is the description of `reverie show`.

    The function raises UserError for a size that it does not have.
    """
    name, module = function.__name__, function.__module__
    place = _module(name) if name in RECIPES else origin(name)
    if place not in (None, module):
        raise UserError(f"Two recipes are called {name}, of {place} and {module}: rename one.")
    _foreign[name] = function
    return function


def names() -> list[str]:
    """Return the names of all recipes, those of installed plug-ins included."""
    plugins.load_installed()
    return sorted([*RECIPES, *_foreign])


def origin(name: str) -> str | None:
    """Return the module of a plug-in's recipe, None for Reverie's own."""
    return _foreign[name].__module__ if name in _foreign else None


def _module(name: str) -> str:
    return f"{__name__}.{RECIPES[name][0]}"


def _find(name: str) -> Recipe:
    if name in RECIPES:
        return getattr(import_module(_module(name)), name)
    if name not in _foreign:
        plugins.load_installed()
    if name not in _foreign:
        raise UserError(f"There is no recipe '{name}'.{nearest(name, names())} `reverie recipes` lists them.")
    return _foreign[name]


def sizes(name: str) -> tuple[str, ...]:
    """Return the sizes of a recipe of Reverie; a plug-in's may have others. UserError for an unknown recipe."""
    _find(name)
    return getattr(import_module(_module(name)), "SIZES", SIZES) if name in RECIPES else SIZES


def describe(name: str) -> str:
    """Return the first line of the recipe's description."""
    return document(name).partition("\n")[0]


def document(name: str) -> str:
    """Return the recipe's description and reading list. UserError for an unknown recipe.

    The description is the docstring of the function, then, for a recipe of Reverie, that of its module.
    """
    function = _find(name)
    module = import_module(_module(name)).__doc__ if name in RECIPES else None
    texts = [inspect.cleandoc(text) for text in (function.__doc__, module) if text]
    if files := reading(name):
        texts.append("\n".join(["Reading list:", *(f"  {path}\n      {_purpose(path)}" for path in files)]))
    return "\n\n".join(texts) or f"{name}, of {function.__module__}."


def reading(name: str) -> tuple[str, ...]:
    """Return the five files that define a recipe, none for a plug-in's. UserError for an unknown recipe."""
    _find(name)
    if name not in RECIPES:
        return ()
    own, *others = RECIPES[name]
    return tuple(f"reverie/{file}.py" for file in (f"recipes/{own}", *others, "runs/update"))


def _purpose(path: str) -> str:
    """Return the first line of a file's docstring; `path` is from the folder above the package."""
    source = (Path(__file__).parents[2] / path).read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def build(name: str, size: str = "laptop", env_id: str | None = None, data: RecordedConfig | None = None) -> RunConfig:
    """Return the config of a recipe; `auto` is the size that fits (`recipes.sizing`).

    With `data` it learns from them alone, also the agent of a recipe that plays. UserError for an unknown recipe or
    size.
    """
    if data is not None:
        config = build(name, size, env_id)
        if isinstance(config, OfflineConfig):
            return replace(config, data=data)
        online = cast(OnlineConfig, build(name, size, recorded.world_of(data, env_id)))
        return recorded.on_recordings(online, data)
    function = _find(name)
    if size == "auto":
        return choose(name, env_id, {}).config
    if name in RECIPES and size not in sizes(name):
        raise UserError(f"There is no size '{size}': take one of {', '.join(sizes(name))}, or auto.")
    return function(size, env_id)


def choose(
    name: str, env_id: str | None, settings: Mapping[str, str], prefix: str = "", timed: bool = False
) -> sizing.Choice:
    """Choose the size of a recipe with some settings, as text by dotted path. `timed`: measure how long it takes."""
    known = sizes(name)
    return sizing.choose(
        lambda size: configure(name, size, env_id, settings, prefix), known, "env.image_size" in settings, timed
    )


def configure(name: str, size: str, env_id: str | None, settings: Mapping[str, str], prefix: str = "") -> RunConfig:
    """Return the config of a recipe with some settings, as text by dotted path.

    `data` makes an agent learn from recordings alone (`recipes.recorded`). For a recipe that learns from recordings,
    `env.NAME` means `data.env.NAME`.
    """
    if size == "auto":
        return choose(name, env_id, settings, prefix).config
    config = build(name, size, env_id)
    if isinstance(config, OnlineConfig) and any(path.split(".")[0] == "data" for path in settings):
        config = recorded.configure(lambda env: cast(OnlineConfig, build(name, size, env)), env_id, settings, prefix)
    if "data.env.id" in leaves(config):
        settings = {f"data.{path}" if path.startswith("env.") else path: text for path, text in settings.items()}
    return override(config, settings, prefix)
