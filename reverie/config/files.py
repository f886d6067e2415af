"""Configs as JSON: a tree of frozen dataclasses, written and read strictly by the declared types of fields.

Each config has its class under the key `type`, and a part of a plug-in the plug-in's name under the key `plugin`.
A file begins with `format`, the version of its names, and `plugins`, the plug-ins that it needs.
"""

import json
import types
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from reverie.config import plugins
from reverie.config.choices import Choice
from reverie.config.declared import (
    alternatives,
    configs_of,
    declared_types,
    find_saved_config,
    in_words,
    item_types,
    join,
    value_type,
)
from reverie.config.renamed import FORMAT, MIGRATIONS
from reverie.errors import UserError, nearest
from reverie.files import atomic_write, is_own_run

C = TypeVar("C")


def encode(config: Any) -> Any:
    """Return the config as a dict for JSON. `decode(type(config), encode(config))` is the config again."""
    if is_dataclass(config):
        # Also where there is only one class to choose from: a later version may have more, and reads this too.
        tree: dict[str, Any] = {"type": type(config).__name__}
        if isinstance(config, Choice) and (plugin := plugins.plugin_of(type(config))):
            tree["plugin"] = plugin
        return tree | {name: encode(getattr(config, name)) for name in declared_types(type(config))}
    if isinstance(config, dict):
        return {key: encode(item) for key, item in config.items()}
    return list(config) if isinstance(config, tuple) else config


def decode(cls: type[C] | types.UnionType, source: Mapping[str, Any]) -> C:
    """Return the config of class `cls`, or of one class of a union, that `encode` turned into `source`.

    Raise `UserError` for an unknown, missing or ill-typed key. Missing keys do not become defaults: a newer version may
    have other defaults.
    """
    return _decode(cls, source, "")


def to_tree(config: Any) -> dict[str, Any]:
    """Return the content of a config's file: format and plug-ins, then the config."""
    tree = encode(config)
    return {"format": FORMAT, "plugins": sorted(set(_plugins(tree)))} | tree


def write_file(path: Path, config: Any) -> None:
    """Write the config as JSON, atomically."""
    atomic_write(path, json.dumps(to_tree(config), indent=1).encode())


def read_file(cls: type[C] | types.UnionType, path: Path) -> C:
    """Return the config in a JSON file, also in one of an earlier format.

    Raise `UserError` where the file is not JSON, describes no `cls`, or needs a plug-in that is not installed.
    """
    try:
        source = json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): restore it from a copy.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}): restore it from a copy.") from None
    if not is_own_run(path.parent):
        for text in _texts(source):
            plugins.distrust(text)
    return from_tree(cls, source, path)


def from_tree(cls: type[C] | types.UnionType, source: Any, path: Path) -> C:
    """Return the config that `to_tree` of this or an earlier version turned into `source`. It was read from `path`.

    Raise `UserError` where it describes no `cls`, or needs a plug-in that is not installed.
    """
    head = dict(source) if isinstance(source, dict) else {"format": "none"}
    version, needed = head.pop("format", 1), head.pop("plugins", [])
    named = isinstance(needed, list) and all(isinstance(name, str) for name in needed)
    if type(version) is not int or version < 1 or not named:
        raise UserError(f"{path} is damaged (its `format` or `plugins`): restore it from a copy.")
    if version > FORMAT:
        raise UserError(f"{path} was written by a newer version of Reverie: upgrade this one.")
    for name in needed:
        plugins.require(name, f"of {path.name}")
    source = head
    for number in range(version, FORMAT):
        source = MIGRATIONS[number](source)
    try:
        return decode(cls, source)
    except UserError as error:
        raise UserError(f"{path} does not fit this version of Reverie: {error}") from None


def _texts(source: Any) -> Iterator[str]:
    """Yield every text in what JSON holds."""
    if isinstance(source, str):
        yield source
    elif isinstance(source, dict | list):
        for item in source.values() if isinstance(source, dict) else source:
            yield from _texts(item)


def check_readable(config: Any) -> None:
    """Raise `UserError` where reading the config's own file would fail, because its run could not be resumed."""
    reason = "it comes back changed"
    try:
        if decode(type(config), json.loads(json.dumps(encode(config)))) == config:
            return
    except UserError as error:
        reason = str(error)
    raise UserError(
        f"A run with this config could not be read back ({reason}): every part must be a frozen dataclass with typed "
        "fields, and stand in a family such as DynamicsConfig."
    )


def _plugins(tree: Any) -> Iterator[str]:
    """Yield the plug-ins that an encoded config names."""
    if isinstance(tree, dict):
        if isinstance(tree.get("plugin"), str) and "type" in tree:
            yield tree["plugin"]
        for part in tree.values():
            yield from _plugins(part)


def _decode(declared: Any, source: Any, path: str) -> Any:
    if isinstance(source, Mapping):
        if configs := configs_of(declared):
            return _decode_config(declared, configs, dict(source), path)
        if any(get_origin(member) is dict for member in alternatives(declared)):
            values = value_type(declared)
            return {key: _decode(values, item, join(path, key)) for key, item in source.items()}
    for member in alternatives(declared):
        if get_origin(member) is tuple and isinstance(source, list | tuple):
            items = item_types(member, len(source))
            if len(items) == len(source):
                return tuple(_decode(item, part, path) for item, part in zip(items, source))
        elif get_origin(member) is Literal:
            if any(source == choice and type(source) is type(choice) for choice in get_args(member)):
                return source
        elif type(source) is member:
            return source
        elif member is float and type(source) is int:
            return float(source)
    raise UserError(f"The config's `{path}` should be {in_words(declared)}, but it is {json.dumps(source)}.")


def _decode_config(declared: Any, configs: list[type], source: dict[str, Any], path: str) -> Any:
    cls, plugin = configs[0], source.pop("plugin", None)
    if not isinstance(plugin, str | None):
        raise UserError(f"The config's `{join(path, 'plugin')}` should be a name, but it is {json.dumps(plugin)}.")
    if "type" in source:
        cls = find_saved_config(declared, str(source.pop("type")), plugin, path)
    elif len(configs) > 1:
        choices = " or ".join(cls.__name__ for cls in configs)
        raise UserError(f"The config lacks the key `{join(path, 'type')}`, which says {choices}.")
    fields = declared_types(cls)
    for key in sorted(source.keys() - fields.keys()):
        raise UserError(f"The config has an unknown key `{join(path, key)}`.{nearest(key, fields)}")
    for key in sorted(fields.keys() - source.keys()):
        raise UserError(f"The config lacks the key `{join(path, key)}`, which {cls.__name__} needs.")
    return cls(**{key: _decode(kind, source[key], join(path, key)) for key, kind in fields.items()})
