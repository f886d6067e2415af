"""Configs as dotted paths: list every setting, and set some from text.

A config that is one of several is a setting itself, before its fields. So `--model.dynamics.latent Categorical`
exchanges the part, and further options set its fields:

    model.dynamics.latent         Gaussian
    model.dynamics.latent.size    30
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass, replace
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin

from reverie.config.checks import check_setting
from reverie.config.choices import short_name
from reverie.config.declared import (
    alternatives,
    configs_of,
    declared_types,
    find_config,
    from_defaults,
    in_words,
    is_choice,
    item_types,
    join,
    value_type,
)
from reverie.config.hints import hint
from reverie.config.renamed import current_key
from reverie.errors import UserError, did_you_mean

C = TypeVar("C")


def leaves(config: Any) -> dict[str, Any]:
    """Return every setting by its dotted path, in the order of declaration. A chosen config is its short name."""
    return {path: value for path, value, _ in _leaves(type(config), config, "")}


def leaf_types(config: Any) -> dict[str, Any]:
    """Return the declared type of every setting by its dotted path."""
    return {path: declared for path, _, declared in _leaves(type(config), config, "")}


def as_text(value: Any) -> str:
    """Return a setting's value as it is typed at the terminal."""
    if isinstance(value, tuple):
        return ",".join(map(as_text, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def override(config: C, texts: Mapping[str, str], prefix: str = "") -> C:
    """Return the config with some settings replaced, parsed from text by their declared types.

    `true` and `false` are bools, `a,b,c` is a tuple, `none` is None, and `1e6` is also an int. A config is chosen by
    its class name, with or without the ending `Config`, and starts from its defaults. Parts are chosen before their
    fields are set. Messages write `prefix` before a path: `--` at the terminal.

    Raise `UserError` for an unknown path or a text that does not fit.
    """
    for path in sorted(texts, key=lambda path: path.count(".")):
        try:
            config = _replace_leaf(type(config), config, path.split("."), texts[path], prefix + path)
        except _UnknownPath:
            raise unknown_setting(path, list(leaves(config)), prefix) from None
    return config


def unknown_setting(path: str, settings: Sequence[str], prefix: str = "") -> UserError:
    """Return the error for a path that is none of `settings`, with a hint at what was meant."""
    suggestion = hint(path, settings, prefix) or " `reverie show RECIPE` lists them all."
    return UserError(f"There is no setting `{prefix}{path}`.{suggestion}")


def wrong_value(path: str, words: str, text: str) -> UserError:
    """Return the error for a text that is not of the declared type, in `words`."""
    return UserError(f"`{path}` should be {words}, but `{text}` was given.")


class _UnknownPath(Exception):
    """No setting has this path."""


def _leaves(declared: Any, value: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield path, value and declared type of each setting."""
    if is_dataclass(value):
        if is_choice(declared):
            yield path, short_name(type(value)), declared
        for name, field_type in declared_types(type(value)).items():
            yield from _leaves(field_type, getattr(value, name), join(path, name))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(value_type(declared), item, join(path, key))
    else:
        yield path, value, declared


def _replace_leaf(declared: Any, value: Any, keys: list[str], text: str, path: str) -> Any:
    """Return `value` with the setting at `keys` replaced. Messages call it `path`."""
    if not keys:
        return parse(declared, value, text, path)
    key, *rest = keys
    if is_dataclass(value):
        key = current_key(type(value), key)
        if key in declared_types(type(value)):
            part = _replace_leaf(declared_types(type(value))[key], getattr(value, key), rest, text, path)
            if not rest:
                check_setting(type(value), key, part, f"`{path}`")  # in the words of the terminal
            return replace(value, **{key: part})
    if isinstance(value, dict) and key in value:
        return {**value, key: _replace_leaf(value_type(declared), value[key], rest, text, path)}
    raise _UnknownPath


def parse(declared: Any, value: Any, text: str, path: str) -> Any:
    """Return what `text` means for a setting of this declared type, which is `value` now. Messages call it `path`."""
    members = alternatives(declared)
    if NoneType in members and text.lower() == "none":
        return None
    configs = configs_of(declared)
    if configs and is_choice(declared):
        cls = find_config(declared, text, path)
        return value if type(value) is cls else from_defaults(cls, path)
    if isinstance(value, dict) and getattr(value_type(declared), "by_name", False):
        return _parse_names(value_type(declared), value, text, path)
    for member in members:
        try:
            return _parse_scalar(member, text)
        except ValueError:
            continue
    if configs or isinstance(value, dict):
        inside = [leaf for leaf, _, _ in _leaves(declared, value, path)]
        subject = [leaf for leaf in inside if leaf in (f"{path}.id", f"{path}.folder")]
        suggestion = f".{did_you_mean(subject)}" if subject else f"; it holds {', '.join(inside) or 'nothing'}."
        raise UserError(f"`{path}` is a group of settings and takes no value itself{suggestion}")
    raise wrong_value(path, in_words(declared), text)


def _parse_names(family: Any, value: Mapping[str, Any], text: str, path: str) -> dict[str, Any]:
    """Return the parts that a list names, by their short names in lower case. Those in `value` keep their settings."""
    names = [] if text.lower() == "none" else [name.strip() for name in text.split(",")]
    chosen = [find_config(family, name, path) for name in names]
    kept = {type(part): part for part in value.values()}
    return {short_name(cls).lower(): kept[cls] if cls in kept else from_defaults(cls, path) for cls in chosen}


def _parse_scalar(declared: Any, text: str) -> Any:
    """Return the value that `text` means as a `declared`. Raise ValueError where it means none."""
    if declared is str:
        return text
    if declared is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if declared is float:
        return float(text)
    if declared is int:
        return int(float(text)) if "e" in text.lower() and float(text).is_integer() else int(text)
    if get_origin(declared) is Literal:
        return get_args(declared)[[str(choice) for choice in get_args(declared)].index(text)]
    if get_origin(declared) is tuple:
        parts = [part.strip() for part in text.split(",")] if text.strip() else []
        items = item_types(declared, len(parts))
        if len(items) == len(parts):
            return tuple(_parse_scalar(item, part) for item, part in zip(items, parts))
    raise ValueError(text)
