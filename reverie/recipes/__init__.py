"""Recipes: a method is a function from size and environment to a config. Adding one: a file, a line in `RECIPES`."""

import ast
import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

from reverie.errors import UserError, nearest
from reverie.runs.config import RunConfig

RECIPES = {
    "autoencoder": "reverie.recipes.latent_prediction",
    "cfm": "reverie.recipes.latent_prediction",
    "contrastive": "reverie.recipes.latent_prediction",
    "cvae": "reverie.recipes.cvae",
    "dreamer_v1": "reverie.recipes.dreamer_v1",
    "dreamer_v2": "reverie.recipes.dreamer_v2",
    "inverse": "reverie.recipes.latent_prediction",
    "joint": "reverie.recipes.latent_prediction",
    "naive": "reverie.recipes.latent_prediction",
    "pixel_forward": "reverie.recipes.latent_prediction",
    "planet": "reverie.recipes.planet",
    "sigreg": "reverie.recipes.latent_prediction",
    "state_space": "reverie.recipes.state_space",
    "vae": "reverie.recipes.vae",
    "vicreg": "reverie.recipes.latent_prediction",
}
PACKAGE = Path(__file__).parents[1]
SIZES = ("tiny", "laptop", "paper")


def names() -> list[str]:
    """The recipes there are."""
    return sorted(RECIPES)


def _module(name: str) -> ModuleType:
    if name not in RECIPES:
        raise UserError(f"There is no recipe '{name}'.{nearest(name, RECIPES)} `reverie recipes` lists them.")
    return import_module(RECIPES[name])


def _description(name: str) -> str:
    """The docstring of the recipe's module; where it has several recipes, the function's docstring comes first."""
    module = _module(name)
    texts = [module.__doc__ or ""]
    if module.__name__.rpartition(".")[2] != name:
        texts.insert(0, getattr(module, name).__doc__ or "")
    return "\n\n".join(inspect.cleandoc(text) for text in texts)


def describe(name: str) -> str:
    """The first line of the recipe's description."""
    return _description(name).splitlines()[0]


def document(name: str) -> str:
    """The recipe's description, departures and reading list. UserError for an unknown recipe."""
    files = "\n".join(f"  {path}\n      {purpose(path)}" for path in reading(name))
    return f"{_description(name)}\n\nReading list:\n{files}"


def reading(name: str) -> tuple[str, ...]:
    """The five files that say what the recipe computes, as paths from the folder above the package."""
    return _module(name).READING[name]


def purpose(path: str) -> str:
    """The first line of a file's docstring; `path` is from the folder above the package."""
    docstring = ast.get_docstring(ast.parse((PACKAGE.parent / path).read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def build(name: str, size: str = "laptop", env_id: str | None = None) -> RunConfig:
    """The resolved config. UserError for an unknown recipe or size."""
    if size not in SIZES:
        raise UserError(f"There is no size '{size}': take one of {', '.join(SIZES)}.")
    recipe: Callable[[str, str | None], RunConfig] = getattr(_module(name), name)
    return recipe(size, env_id)
