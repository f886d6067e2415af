"""Commands that inform: `show`, `recipes`, `envs`, `runs`, `version`."""

import importlib.metadata
import shutil
import sys
import textwrap
from argparse import Namespace
from collections.abc import Mapping

from reverie.cli import names
from reverie.cli.commands import common
from reverie.cli.parsing import Argument, Texts, command
from reverie.errors import UserError, nearest
from reverie.runs import listing


@command(
    "reverie show dreamer_v1 model.dynamics --size paper",
    common.RECIPE,
    Argument("PART", "part of the config: model.dynamics (default: all)", nargs="?"),
    *common.CONFIG,
    settings=common.CONFIG_SETTINGS,
)
def show(arguments: Namespace, settings: Texts) -> int:
    """Print the settings of a recipe or of one part of it, and a reading list."""
    choice, part = common.run_config(arguments, settings), arguments.part
    config = choice.config
    from reverie.config.describe import describe
    from reverie.config.overrides import as_text, leaves, unknown_setting
    from reverie.recipes import document

    values = {path: as_text(value) for path, value in leaves(config).items()}
    shown = {path: value for path, value in values.items() if not part or f"{path}.".startswith(f"{part}.")}
    if not shown:
        raise unknown_setting(part, list(values))
    _print_settings(shown, describe(config))
    if not part:
        print("", *filter(None, [choice.why, document(arguments.recipe)]), sep="\n\n")
    names.refresh()
    return 0


def _print_settings(values: Mapping[str, str], descriptions: Mapping[str, str]) -> None:
    """Print path, value and description: wrapped in a terminal, else on one line each, for `grep`."""
    path_width, value_width = max(map(len, values)), min(20, max(map(len, values.values())))
    left = path_width + value_width + 4
    description_width = max(24, shutil.get_terminal_size().columns - left)
    for path, value in values.items():
        text = descriptions.get(path, "")
        if sys.stdout.isatty():
            text = f"\n{'':{left}}".join(textwrap.wrap(text, description_width))
        elif text:
            text = f"# {text}"
        print(f"{path:<{path_width}}  {value:<{value_width}}  {text}".rstrip())


@command("reverie recipes")
def recipes(_arguments: Namespace, _: Texts) -> int:
    """List the methods that can be trained."""
    from reverie import recipes

    width = max(map(len, recipes.names()))
    for name in recipes.names():
        module = recipes.origin(name)
        print(f"{name:<{width}}  {recipes.describe(name)}{f' ({module})' if module else ''}")
    return 0


@command("reverie envs cartpole", Argument("FILTER", "part of the id", nargs="?"))
def envs(arguments: Namespace, _: Texts) -> int:
    """List the environments that are installed."""
    from reverie.envs import list_ids

    word = arguments.filter or ""
    families = list_ids()
    matching = {family: [id for id in ids if word.lower() in id.lower()] for family, ids in families.items()}
    if word and not any(matching.values()):
        every = [id for ids in families.values() for id in ids]
        raise UserError(f"No environment has `{word}` in its id.{nearest(word, every)} `reverie envs` lists all.")
    for family, ids in matching.items():
        if ids or not word:
            print("\n  ".join([family, *(f"{id}{_package(id)}" for id in ids)]))
    return 0


def _package(env_id: str) -> str:
    """Return the package that has registered an environment with Gymnasium, in parentheses."""
    import gymnasium

    place = getattr(gymnasium.registry.get(env_id), "entry_point", None) or "gymnasium"
    package = (place if isinstance(place, str) else place.__module__).split(":")[0].split(".")[0]
    return "" if package == "gymnasium" else f"  ({package})"


@command("reverie runs runs", Argument("FOLDER", "folder with runs or sweeps in it (default: runs)", nargs="?"))
def runs(arguments: Namespace, _: Texts) -> int:
    """List runs with their state, latest return and hours. Runs may be living; they are only read."""
    folder = arguments.folder or "runs"
    found = listing.list_runs(folder)
    print(listing.table(found) if found else f"There is no run below {folder}: `reverie train RECIPE` makes one.")
    return 0


@command("reverie version")
def version(_arguments: Namespace, _: Texts) -> int:
    """Print the version."""
    print(f"reverie {importlib.metadata.version('reverie')}")
    return 0
