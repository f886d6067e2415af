"""Commands that tell: `show`, `recipes`, `envs`, `check-env`, `doctor`, `version`."""

import importlib.metadata
from argparse import Namespace
from typing import TYPE_CHECKING

from reverie.cli.commands.given import Texts, built, environment
from reverie.errors import UserError, nearest

if TYPE_CHECKING:
    pass


def show(arguments: Namespace, settings: Texts) -> int:
    """`reverie show RECIPE`"""
    from reverie.config.overrides import as_text, leaves

    shown = leaves(built(arguments, settings))
    width = max(map(len, shown))
    for path, value in shown.items():
        print(f"{path:<{width}}  {as_text(value)}".rstrip())
    from reverie.recipes import document

    print(f"\n{document(arguments.recipe)}")
    return 0


def recipes(arguments: Namespace, _: Texts) -> int:
    """`reverie recipes`"""
    from reverie.recipes import describe, names

    width = max(map(len, names()))
    for name in names():
        print(f"{name:<{width}}  {describe(name)}")
    return 0


def envs(arguments: Namespace, _: Texts) -> int:
    """`reverie envs [FILTER]`"""
    from reverie.envs import list_ids

    word = arguments.filter or ""
    families = list_ids()
    found = {family: [id for id in ids if word.lower() in id.lower()] for family, ids in families.items()}
    if word and not any(found.values()):
        known = [id for ids in families.values() for id in ids]
        raise UserError(f"No environment has `{word}` in its id.{nearest(word, known)} `reverie envs` lists all.")
    for family, ids in found.items():
        if ids or not word:
            print("\n  ".join([family, *ids]))
    return 0


def check_env(arguments: Namespace, settings: Texts) -> int:
    """`reverie check-env ID`; exit code 1 where the environment breaks the contract."""
    from reverie.testing.environments import check

    config = environment(arguments.id, settings)
    complaints = check(config)
    print("\n".join(complaints) or f"{config.id} keeps the contract.")
    return 1 if complaints else 0


def doctor(arguments: Namespace, _: Texts) -> int:
    """`reverie doctor`"""
    from reverie.cli.doctor import examine, report

    report(examine())
    return 0


def version(arguments: Namespace, _: Texts) -> int:
    """`reverie version`"""
    print(f"reverie {importlib.metadata.version('reverie')}")
    return 0
