"""One file a method: a function from size and environment to a config. Adding one: a file, a line in `RECIPES`."""

from collections.abc import Callable
from importlib import import_module

from reverie.errors import UserError, nearest
from reverie.runs.config import RunConfig

RECIPES = {
    "autoencoder": "reverie.recipes.autoencoder",
    "cfm": "reverie.recipes.cfm",
    "contrastive": "reverie.recipes.contrastive",
    "cvae": "reverie.recipes.cvae",
    "dreamer_v1": "reverie.recipes.dreamer_v1",
    "dreamer_v2": "reverie.recipes.dreamer_v2",
    "inverse": "reverie.recipes.inverse",
    "joint": "reverie.recipes.joint",
    "naive": "reverie.recipes.naive",
    "pixel_forward": "reverie.recipes.pixel_forward",
    "planet": "reverie.recipes.planet",
    "sigreg": "reverie.recipes.sigreg",
    "state_space": "reverie.recipes.state_space",
    "vae": "reverie.recipes.vae",
    "vicreg": "reverie.recipes.vicreg",
}
SIZES = ("tiny", "laptop", "paper")


def names() -> list[str]:
    """The recipes there are."""
    return sorted(RECIPES)


def _module(name: str):
    if name not in RECIPES:
        raise UserError(f"There is no recipe '{name}'.{nearest(name, RECIPES)} `reverie recipes` lists them.")
    return import_module(RECIPES[name])


def document(name: str) -> str:
    """The recipe's own text, with its reading path."""
    return (_module(name).__doc__ or "").strip()


def describe(name: str) -> str:
    """The first line of the recipe's text."""
    return document(name).splitlines()[0]


def build(name: str, size: str = "laptop", env_id: str | None = None) -> RunConfig:
    """The resolved config. UserError for an unknown recipe or size."""
    if size not in SIZES:
        raise UserError(f"There is no size '{size}': take one of {', '.join(SIZES)}.")
    recipe: Callable[[str, str | None], RunConfig] = getattr(_module(name), name)
    return recipe(size, env_id)
