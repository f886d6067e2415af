"""A tree of frozen config dataclasses as JSON, there and back, strictly.

A config field may hold a scalar, a `Literal`, `X | None`, a tuple, another config, one of a family or union of configs,
or a dict of any of these by name. The declared types alone say what is legal: `decode` turns every other key or value
into a `UserError` that names the dotted path.

Each config carries its class as the key `type`, and a part of a plug-in also the plug-in's name as the key `plugin`.
A file begins with `format`, the version of the names in it, and `plugins`, all that it needs.
"""

import json
import types
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from reverie.config import plugins
from reverie.config.choices import families
from reverie.config.declared import (
    alternatives,
    configs_of,
    declared_types,
    in_words,
    item_types,
    join,
    recorded,
    value_type,
)
from reverie.config.renamed import FORMAT, renamed
from reverie.errors import UserError, nearest
from reverie.files import atomic_write

C = TypeVar("C")


def encode(config: Any) -> dict[str, Any]:
    """The config as a JSON-able dict; `decode(type(config), encode(config))` gives it back."""
    return _encoded(type(config), config)


def decode(cls: type[C] | types.UnionType, source: Mapping[str, Any]) -> C:
    """The `cls`, or the one of a union, that `source` (from `encode`, by way of JSON) describes.

    Raises `UserError` for an unknown, missing or ill-typed key; defaults are not filled in, because a
    stored config that leaves something open would change its meaning with the library's version.
    """
    return _decoded(cls, source, "")


def write_file(path: Path, config: Any) -> None:
    """Write the config as JSON, atomically; `read_file` gives it back."""
    tree = encode(config)
    head = {"format": FORMAT, "plugins": sorted(set(_plugins(tree)))}
    atomic_write(path, json.dumps(head | tree, indent=1).encode())


def read_file(cls: type[C] | types.UnionType, path: Path) -> C:
    """The config in the JSON file at `path`, also one of an earlier format.

    Raises `UserError` where it is not JSON, does not describe a `cls`, or needs a plug-in that is not here.
    """
    try:
        source = json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): restore it from a copy.") from None
    if isinstance(source, dict):
        version = source.pop("format", 1)
        if version > FORMAT:
            raise UserError(f"{path} was written by a newer version of Reverie: upgrade this one.")
        for name in source.pop("plugins", []):
            plugins.require(name, f"of {path.name}")
        source = renamed(source) if version < FORMAT else source
    try:
        return decode(cls, source)
    except UserError as error:
        raise UserError(f"{path} does not fit this version of Reverie: {error}") from None


def check_readable(config: Any) -> None:
    """UserError where the config could not be read back from its own file, so that a run with it would be lost."""
    source = json.loads(json.dumps(encode(config)))
    try:
        same = decode(type(config), source) == config
        reason = "it comes back changed"
    except UserError as error:
        same, reason = False, str(error)
    if not same:
        raise UserError(
            f"A run with this config could not be read back ({reason}): every part must be a frozen dataclass with "
            "typed fields, and stand in a family such as DynamicsConfig."
        )


def _plugins(tree: Any) -> Iterator[str]:
    """The plug-ins that an encoded config names."""
    if isinstance(tree, dict):
        if isinstance(tree.get("plugin"), str) and "type" in tree:
            yield tree["plugin"]
        for part in tree.values():
            yield from _plugins(part)


def _encoded(declared: Any, value: Any) -> Any:
    if is_dataclass(value):
        # Always, also where there is only one to choose from: a later version may have more, and reads this too.
        tree: dict[str, Any] = {"type": type(value).__name__}
        if families(type(value)) and (plugin := plugins.plugin_of(type(value))):
            tree["plugin"] = plugin
        for name, field_type in declared_types(type(value)).items():
            tree[name] = _encoded(field_type, getattr(value, name))
        return tree
    if isinstance(value, dict):
        return {key: _encoded(value_type(declared), item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _decoded(declared: Any, source: Any, path: str) -> Any:
    if isinstance(source, Mapping):
        configs = configs_of(declared)
        if configs:
            return _decoded_config(declared, configs, dict(source), path)
        if any(get_origin(member) is dict for member in alternatives(declared)):
            values = value_type(declared)
            return {key: _decoded(values, item, join(path, key)) for key, item in source.items()}
    for member in alternatives(declared):
        if get_origin(member) is tuple and isinstance(source, list | tuple):
            items = item_types(member, len(source))
            if len(items) == len(source):
                return tuple(_decoded(item, part, path) for item, part in zip(items, source))
        elif get_origin(member) is Literal:
            if any(source == choice and type(source) is type(choice) for choice in get_args(member)):
                return source
        elif type(source) is member:
            return source
        elif member is float and type(source) is int:
            return float(source)
    raise UserError(f"The config's `{path}` should be {in_words(declared)}, but it is {source!r}.")


def _decoded_config(declared: Any, configs: list[type], source: dict[str, Any], path: str) -> Any:
    cls, plugin = configs[0], source.pop("plugin", None)
    if "type" in source:
        cls = recorded(declared, str(source.pop("type")), plugin, path)
    elif len(configs) > 1:
        choices = " or ".join(cls.__name__ for cls in configs)
        raise UserError(f"The config lacks the key `{join(path, 'type')}`, which says {choices}.")
    fields = declared_types(cls)
    for key in source:
        if key not in fields:
            raise UserError(f"The config has an unknown key `{join(path, key)}`.{nearest(key, fields)}")
    for key in fields:
        if key not in source:
            raise UserError(f"The config lacks the key `{join(path, key)}`, which {cls.__name__} needs.")
    return cls(**{key: _decoded(kind, source[key], join(path, key)) for key, kind in fields.items()})
