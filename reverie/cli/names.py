"""Names that are known without importing torch: recipes with their settings, sizes and environments.

Commands that import torch anyway write them into the user's cache folder, which `REVERIE_CACHE` moves. They make typing
mistakes fail at once and let the tab key complete settings. No result depends on them.
"""

import functools
import json
from collections.abc import Mapping
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import reverie
from reverie.config import plugins
from reverie.config.declared import in_words
from reverie.config.overrides import leaf_types, parse, unknown_setting, wrong_value
from reverie.config.renamed import OLD_KEYS
from reverie.errors import UserError
from reverie.files import atomic_write, cache_folder

_TYPES: dict[str, Any] = {in_words(kind): kind for kind in (int, float, bool, int | None, float | None)}
"""Declared types by the words in the file. Texts for settings of other types are not checked here."""


def path() -> Path:
    """Return the file with the names."""
    return cache_folder() / "names.json"


def read() -> dict[str, Any]:
    """Return the names by kind, possibly of an earlier version; empty where there is no file.

    `settings` holds for each recipe its settings and their declared types in words.
    """
    try:
        names = json.loads(path().read_text())
    except (OSError, ValueError):
        return {}
    return names if isinstance(names, dict) else {}


def refresh() -> None:
    """Write the names, unless they are of this version. This imports torch. An unwritable folder is no error."""
    if read().get("stamp") == _stamp():
        return
    from reverie import recipes
    from reverie.envs import list_ids

    families = [ids for ids in list_ids().values() if ids]
    examples = [None, *(ids[0] for ids in families)]  # a recipe's settings may differ by family
    types: dict[str, dict[str, Any]] = {recipe: {} for recipe in recipes.names()}
    sizes = {recipe: recipes.sizes(recipe) for recipe in types}
    for recipe, env_id, size in ((*pair, size) for pair in product(types, examples) for size in sizes[pair[0]]):
        with suppress(UserError):  # the recipe does not have this environment
            for setting, declared in leaf_types(recipes.build(recipe, size, env_id)).items():
                same = types[recipe].setdefault(setting, declared) == declared
                types[recipe][setting] = declared if same else object
    settings = {recipe: {name: in_words(kind) for name, kind in kinds.items()} for recipe, kinds in types.items()}
    ids = [id for ids in families for id in ids]
    names = {
        "stamp": _stamp(),
        "settings": settings,
        "sizes": list(dict.fromkeys(["auto", *(name for names in sizes.values() for name in names)])),
        "envs": ids,
    }
    with suppress(OSError, UserError):
        atomic_write(path(), json.dumps(names).encode())


def refuse_wrong(recipe: str, texts: Mapping[str, str]) -> None:
    """Raise `UserError` for a wrong setting or value, if that is certain without importing torch.

    It is uncertain with names of another version, with a plug-in, and for a part that the same command line chooses.
    The config itself decides then.
    """
    names = read()
    others = set(plugins.installed()) - set(plugins.OWN)
    if others or recipe not in names.get("settings", ()) or names["stamp"] != _stamp():
        return
    own = names["settings"][recipe]
    every = {path for settings in names["settings"].values() for path in settings}
    for typed, text in texts.items():
        words = typed.split(".")
        beginnings = {".".join(words[:length]) for length in range(1, len(words))}
        if OLD_KEYS & set(words) or beginnings & set(texts):
            continue
        meant = {typed, f"data.{typed}"}
        is_group = any(path.startswith(f"{name}.") for path in every for name in meant)
        if not meant & every and not is_group:
            raise unknown_setting(typed, list(own), prefix="--")
        declared = own.get(typed, "")
        if declared in _TYPES:
            parse(_TYPES[declared], None, text, f"--{typed}")
        elif declared.startswith("one of ") and " or " not in declared and text not in declared[7:].split(", "):
            raise wrong_value(f"--{typed}", declared, text)


@functools.cache
def _stamp() -> str:
    """Return the package's place, the number and newest time of its files, and the plug-ins: each edit changes it."""
    root = Path(reverie.__file__).parent
    times = [entry.stat().st_mtime_ns for entry in root.rglob("*.py")]
    return f"{root} {len(times)} {max(times)} {','.join(plugins.installed())}"
