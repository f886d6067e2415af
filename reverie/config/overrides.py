"""A tree of frozen config dataclasses as dotted leaves, and leaves set by what a user typed.

Where a union declares several configs, the one chosen is part of the tree: a leaf of its own at the config's path,
before its fields:

    model.dynamics.latent         Gaussian
    model.dynamics.latent.size    30

so that `--model.dynamics.latent Categorical` swaps the part and later leaves set its fields.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import is_dataclass, replace
from typing import Any, Literal, TypeVar, get_args, get_origin

from reverie.config.choices import short_name
from reverie.config.declared import (
    NOTHING,
    alternatives,
    chosen,
    configs_of,
    declared_types,
    from_defaults,
    in_words,
    is_choice,
    item_types,
    join,
    value_type,
)
from reverie.config.hints import group_hint, hint
from reverie.config.renamed import current_key
from reverie.errors import UserError

C = TypeVar("C")


def leaves(config: Any) -> dict[str, Any]:
    """Every setting by its dotted path, in the order of declaration; a chosen config by its short name."""
    return dict(_leaves(type(config), config, ""))


def as_text(value: Any) -> str:
    """A leaf's value as `override` reads it back."""
    if isinstance(value, tuple):
        return ",".join(map(as_text, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def override(config: C, texts: Mapping[str, str]) -> C:
    """The config with leaves replaced by what the user typed, parsed by their declared types.

    `true` and `false` are bools, `a,b,c` is a tuple, `none` is None where that is legal, `1e6` is a legal
    int. A config is chosen by its class name with or without the ending `Config`; one chosen anew starts
    from its defaults. Choices are made before their fields are set, whatever the order in `texts`.

    Raises `UserError` for an unknown path or a text that does not fit.
    """
    for path in sorted(texts, key=lambda path: path.count(".")):
        try:
            config = _with(type(config), config, path.split("."), texts[path], path)
        except _UnknownPath:
            raise unknown_setting(path, list(leaves(config))) from None
    return config


def unknown_setting(path: str, settings: Sequence[str]) -> UserError:
    """The error for a `path` that is none of `settings`, with a hint at what was meant."""
    suggestion = hint(path, settings) or " `reverie show RECIPE` lists them all."
    return UserError(f"There is no setting `{path}`.{suggestion}")


class _UnknownPath(Exception):
    """No setting has this path."""


def _leaves(declared: Any, value: Any, path: str) -> Iterable[tuple[str, Any]]:
    if is_dataclass(value):
        if is_choice(declared):
            yield path, short_name(type(value))
        for name, field_type in declared_types(type(value)).items():
            yield from _leaves(field_type, getattr(value, name), join(path, name))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(value_type(declared), item, join(path, key))
    else:
        yield path, value


def _with(declared: Any, value: Any, keys: list[str], text: str, path: str) -> Any:
    """`value` with the leaf that `keys` lead to replaced; `path` is the whole path, for the error."""
    if not keys:
        return _parsed(declared, value, text, path)
    key, *rest = keys
    if is_dataclass(value):
        key = current_key(type(value), key)
        if key in declared_types(type(value)):
            part = _with(declared_types(type(value))[key], getattr(value, key), rest, text, path)
            return replace(value, **{key: part})
    if isinstance(value, dict) and key in value:
        return {**value, key: _with(value_type(declared), value[key], rest, text, path)}
    raise _UnknownPath


def _parsed(declared: Any, value: Any, text: str, path: str) -> Any:
    members = alternatives(declared)
    if NOTHING in members and text.lower() == "none":
        return None
    configs = configs_of(declared)
    if configs and is_choice(declared):
        cls = chosen(declared, text, path)
        return value if type(value) is cls else from_defaults(cls, path)
    for member in members:
        try:
            return _scalar(member, text)
        except ValueError:
            continue
    if configs or isinstance(value, dict):
        inside = [leaf for leaf, _ in _leaves(declared, value, path)]
        suggestion = group_hint(path, inside) or f"; it holds {', '.join(inside) or 'nothing'}."
        raise UserError(f"`{path}` is a group of settings and takes no value itself{suggestion}")
    raise UserError(f"`{path}` should be {in_words(declared)}, but `{text}` was given.")


def _scalar(declared: Any, text: str) -> Any:
    """The value that `text` means as a `declared`; ValueError where it means none."""
    if declared is str:
        return text
    if declared is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if declared is float:
        return float(text)
    if declared is int:
        if "e" in text.lower() and float(text).is_integer():
            return int(float(text))
        return int(text)
    if get_origin(declared) is Literal:
        return get_args(declared)[[str(choice) for choice in get_args(declared)].index(text)]
    if get_origin(declared) is tuple:
        parts = [part.strip() for part in text.split(",")] if text.strip() else []
        items = item_types(declared, len(parts))
        if len(items) == len(parts):
            return tuple(_scalar(item, part) for item, part in zip(items, parts))
    raise ValueError(text)
