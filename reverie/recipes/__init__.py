"""One file a method: a function from size and environment to a config. Adding one: a file, a line in `RECIPES`."""

from collections.abc import Callable
from importlib import import_module

from reverie.config import plugins
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


Recipe = Callable[[str, str | None], RunConfig]
"""From a size and an environment's id (None for the recipe's own) to a config."""
_foreign: dict[str, Recipe] = {}


def recipe(function: Recipe) -> Recipe:
    """Add a recipe of another package, by the function's name; its docstring is what `reverie show` prints.

    The function raises UserError for a size that it does not have.
    """
    name = function.__name__
    other = _foreign.get(name)
    if name in RECIPES or (other is not None and other.__module__ != function.__module__):
        place = other.__module__ if other is not None else RECIPES[name]
        raise UserError(f"Two recipes are called {name}, of {place} and {function.__module__}: rename one.")
    _foreign[name] = function
    return function


def names() -> list[str]:
    """The recipes there are, those of installed plug-ins included."""
    plugins.load_installed()
    return sorted([*RECIPES, *_foreign])


def origin(name: str) -> str | None:
    """The module of a recipe that comes from a plug-in; None for Reverie's own."""
    return _foreign[name].__module__ if name in _foreign else None


def _find(name: str) -> Recipe:
    if name in RECIPES:
        return getattr(import_module(RECIPES[name]), name)
    if name not in _foreign:
        plugins.load_installed()
    if name not in _foreign:
        raise UserError(f"There is no recipe '{name}'.{nearest(name, names())} `reverie recipes` lists them.")
    return _foreign[name]


def document(name: str) -> str:
    """The recipe's own text, with its reading path."""
    function = _find(name)
    own = import_module(RECIPES[name]).__doc__ if name in RECIPES else function.__doc__
    return (own or f"{name}, of {function.__module__}.").strip()


def describe(name: str) -> str:
    """The first line of the recipe's text."""
    return document(name).splitlines()[0]


def build(name: str, size: str = "laptop", env_id: str | None = None) -> RunConfig:
    """The resolved config. UserError for an unknown recipe or size."""
    function = _find(name)
    if name in RECIPES and size not in SIZES:
        raise UserError(f"There is no size '{size}': take one of {', '.join(SIZES)}.")
    return function(size, env_id)
