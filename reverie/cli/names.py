"""Names that are known without importing torch: recipes, sizes, environments and the settings of each recipe.

They lie in a file of the user's cache folder, written by commands that have imported torch anyway. With them an
unknown setting is refused at once, and the tab key completes settings. Without the file both work less well; no
result depends on it. Setting `REVERIE_CACHE` to a folder moves it.
"""

import functools
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import reverie
from reverie.config import plugins
from reverie.config.overrides import leaves, unknown_setting
from reverie.config.renamed import OLD_KEYS
from reverie.errors import UserError
from reverie.files import atomic_write


def path() -> Path:
    """The file with the names."""
    folder = os.environ.get("REVERIE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "reverie"
    return Path(folder).expanduser() / "names.json"


def read() -> dict[str, Any]:
    """The names by kind, possibly of an earlier version; empty where there are none."""
    try:
        names = json.loads(path().read_text())
    except (OSError, ValueError):
        return {}
    return names if isinstance(names, dict) else {}


def refresh() -> None:
    """Write the names, unless they are of this version. Imports torch. A folder that cannot be written is no error."""
    if read().get("stamp") == _stamp():
        return
    from reverie import recipes
    from reverie.envs import list_ids

    families = [ids for ids in list_ids().values() if ids]
    examples = [None, *(ids[0] for ids in families)]  # a recipe's settings may differ by family
    settings = {name: _settings(name, examples) for name in recipes.names()}
    ids = [id for ids in families for id in ids]
    names = {"stamp": _stamp(), "settings": settings, "sizes": list(recipes.SIZES), "envs": ids}
    try:
        path().parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path(), json.dumps(names).encode())
    except (OSError, UserError):
        return


def refuse_unknown(recipe: str, texts: Mapping[str, str]) -> None:
    """Raise `UserError` for a setting that no recipe has, if that is certain without importing torch.

    It is not certain where the names are of another version, a plug-in is installed, or the part that the setting
    belongs to is chosen on the same command line. Then nothing is raised, and the config itself decides.
    """
    names = read()
    others = set(plugins.installed()) - set(plugins.OWN)
    if others or recipe not in names.get("settings", ()) or names["stamp"] != _stamp():
        return
    every = {path for paths in names["settings"].values() for path in paths}
    for text in texts:
        words = text.split(".")
        if OLD_KEYS & set(words):
            continue
        beginnings = {".".join(words[:length]) for length in range(1, len(words))}
        meant = {text, f"data.{text}"}
        is_group = any(path.startswith(f"{name}.") for path in every for name in meant)
        if not meant & every and not is_group and not beginnings & set(texts):
            raise unknown_setting(text, names["settings"][recipe])


def _settings(recipe: str, env_ids: Iterable[str | None]) -> list[str]:
    """The settings of a recipe at any size, in any of these environments."""
    from reverie.recipes import SIZES, build

    settings: dict[str, None] = {}
    for env_id, size in product(env_ids, SIZES):
        with suppress(UserError):  # a size or an environment that the recipe does not have
            settings |= dict.fromkeys(leaves(build(recipe, size, env_id)))
    return list(settings)


@functools.cache
def _stamp() -> str:
    """The package's place, the number and newest time of its files, and the plug-ins: it changes with each edit."""
    root = Path(reverie.__file__).parent
    times = [entry.stat().st_mtime_ns for entry in root.rglob("*.py")]
    return f"{root} {len(times)} {max(times)} {','.join(plugins.installed())}"
