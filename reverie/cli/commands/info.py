"""Commands that inform: `show`, `recipes`, `envs`, `doctor`, `version`."""

import importlib.metadata
import shutil
import sys
import textwrap
from argparse import Namespace
from collections.abc import Mapping

from reverie.cli.commands.arguments import Texts, run_config
from reverie.errors import UserError, nearest

_LEAST_WIDTH = 24
"""Columns that a description gets at least."""


def show(arguments: Namespace, settings: Texts) -> int:
    """`reverie show RECIPE [PART]`"""
    from reverie.cli import names
    from reverie.config.describe import describe
    from reverie.config.overrides import as_text, leaves, unknown_setting
    from reverie.recipes import document

    config, part = run_config(arguments, settings), arguments.part
    values = {path: as_text(value) for path, value in leaves(config).items()}
    shown = {path: value for path, value in values.items() if not part or f"{path}.".startswith(f"{part}.")}
    if not shown:
        raise unknown_setting(part, list(values))
    _print_settings(shown, describe(config))
    if not part:
        print(f"\n{document(arguments.recipe)}")
    names.refresh()
    return 0


def _print_settings(values: Mapping[str, str], descriptions: Mapping[str, str]) -> None:
    """Print path, value and description: wrapped in a terminal, else one line a setting, for `grep`."""
    path_width, value_width = max(map(len, values)), min(20, max(map(len, values.values())))
    left = path_width + value_width + 4
    indent, wrapped = "\n" + " " * left, sys.stdout.isatty()
    for path, value in values.items():
        text = descriptions.get(path, "")
        setting = f"{path:<{path_width}}  {value:<{value_width}}"
        if not wrapped:
            print(f"{setting}  # {text}" if text else setting.rstrip())
            continue
        lines = textwrap.wrap(text, max(_LEAST_WIDTH, shutil.get_terminal_size().columns - left))
        print(f"{setting}  {indent.join(lines)}".rstrip())


def recipes(arguments: Namespace, _: Texts) -> int:
    """`reverie recipes`"""
    from reverie import recipes

    names = recipes.names()
    width = max(map(len, names))
    for name in names:
        module = recipes.origin(name)
        print(f"{name:<{width}}  {recipes.describe(name)}{f' ({module})' if module else ''}")
    return 0


def envs(arguments: Namespace, _: Texts) -> int:
    """`reverie envs [FILTER]`"""
    from reverie.envs import list_ids

    word = arguments.filter or ""
    families = list_ids()
    matching = {family: [id for id in ids if word.lower() in id.lower()] for family, ids in families.items()}
    if word and not any(matching.values()):
        every = [id for ids in families.values() for id in ids]
        raise UserError(f"No environment has `{word}` in its id.{nearest(word, every)} `reverie envs` lists all.")
    for family, ids in matching.items():
        if ids or not word:
            print("\n  ".join([family, *(f"{id}{_origin(id)}" for id in ids)]))
    return 0


def _origin(env_id: str) -> str:
    """The package of an environment that another package has registered with Gymnasium, in parentheses."""
    import gymnasium

    spec = gymnasium.registry.get(env_id)
    place = getattr(spec, "entry_point", None) or "gymnasium"
    package = (place if isinstance(place, str) else place.__module__).split(":")[0].split(".")[0]
    return "" if package == "gymnasium" else f"  ({package})"


def doctor(arguments: Namespace, _: Texts) -> int:
    """`reverie doctor`"""
    from reverie.cli.doctor import examine, report

    report(examine())
    return 0


def version(arguments: Namespace, _: Texts) -> int:
    """`reverie version`"""
    print(f"reverie {importlib.metadata.version('reverie')}")
    return 0
