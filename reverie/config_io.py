"""A tree of frozen config dataclasses as JSON and as dotted leaves, there and back, strictly.

A config field may hold a scalar, a `Literal`, `X | None`, a tuple, another config, one of a union of
configs, or a dict of any of these by name. The declared types alone say what is legal: `decode` and
`override` turn every other key or value into a `UserError` that names the dotted path.

Where a union declares several configs, the one chosen is part of the tree. JSON carries it as the key
`type`, and `leaves` carries it as a leaf of its own at the config's path, before its fields:

    model.dynamics.latent         Gaussian
    model.dynamics.latent.size    30

so that `--model.dynamics.latent Categorical` swaps the part and later leaves set its fields.
"""

import functools
import json
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from reverie.errors import UserError, nearest

C = TypeVar("C")
_NOTHING = type(None)
_FEW = 20  # settings that one sentence can list


def encode(config: Any) -> dict[str, Any]:
    """The config as a JSON-able dict; `decode(type(config), encode(config))` gives it back."""
    return _encoded(type(config), config)


def decode(cls: type[C] | types.UnionType, source: Mapping[str, Any]) -> C:
    """The `cls`, or the one of a union, that `source` (from `encode`, by way of JSON) describes.

    Raises `UserError` for an unknown, missing or ill-typed key; defaults are not filled in, because a
    stored config that leaves something open would change its meaning with the library's version.
    """
    return _decoded(cls, source, "")


def read(cls: type[C] | types.UnionType, path: Path) -> C:
    """`decode` the JSON file at `path`. Raises `UserError` where it is not JSON or does not describe a `cls`."""
    try:
        source = json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): restore it from a copy.") from None
    try:
        return decode(cls, source)
    except UserError as error:
        raise UserError(f"{path} does not fit this version of Reverie: {error}") from None


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
        config = _with(type(config), config, path.split("."), texts[path], path)
    return config


def short_name(cls: type) -> str:
    """What a user types to choose this config: its class name without the ending `Config`."""
    return cls.__name__.removesuffix("Config") or cls.__name__


# --- what a declared type says ---------------------------------------------------------------------------


@functools.cache
def _declared(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls) if field.init}


def _alternatives(declared: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself."""
    return get_args(declared) if get_origin(declared) in (Union, types.UnionType) else (declared,)


def _configs(declared: Any) -> list[type]:
    return [member for member in _alternatives(declared) if is_dataclass(member)]


def _value_type(declared: Any) -> Any:
    """What the values of a `dict[str, X]` are declared as."""
    return next(get_args(member)[1] for member in _alternatives(declared) if get_origin(member) is dict)


def _item_types(declared: Any, length: int) -> tuple[Any, ...]:
    """The types of a tuple's items, for a tuple of that length."""
    items = get_args(declared)
    return items[:1] * length if items[1:] == (Ellipsis,) else items


def _in_words(declared: Any) -> str:
    """The type as the user should read it: `an int`, `one of auto, cpu`, `a float or none`."""
    words = []
    for member in _alternatives(declared):
        if is_dataclass(member):
            words.append(short_name(member))
        elif get_origin(member) is Literal:
            words.append("one of " + ", ".join(map(str, get_args(member))))
        elif get_origin(member) is tuple:
            items = [getattr(item, "__name__", str(item)) for item in get_args(member) if item is not Ellipsis]
            words.append("a list of " + ", ".join(items))
        elif member is bool:
            words.append("true or false")
        elif member is _NOTHING:
            words.append("none")
        else:
            name = getattr(get_origin(member) or member, "__name__", str(member))
            words.append(f"an {name}" if name[0] in "aeiou" else f"a {name}")
    return " or ".join(words)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


# --- JSON ------------------------------------------------------------------------------------------------


def _encoded(declared: Any, value: Any) -> Any:
    if is_dataclass(value):
        # Always, also where there is only one to choose from: a later version may have more, and reads this too.
        tree: dict[str, Any] = {"type": type(value).__name__}
        for name, field_type in _declared(type(value)).items():
            tree[name] = _encoded(field_type, getattr(value, name))
        return tree
    if isinstance(value, dict):
        return {key: _encoded(_value_type(declared), item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _decoded(declared: Any, source: Any, path: str) -> Any:
    if isinstance(source, Mapping):
        configs = _configs(declared)
        if configs:
            return _decoded_config(configs, dict(source), path)
        if any(get_origin(member) is dict for member in _alternatives(declared)):
            value_type = _value_type(declared)
            return {key: _decoded(value_type, item, _join(path, key)) for key, item in source.items()}
    for member in _alternatives(declared):
        if get_origin(member) is tuple and isinstance(source, list | tuple):
            item_types = _item_types(member, len(source))
            if len(item_types) == len(source):
                return tuple(_decoded(item, part, path) for item, part in zip(item_types, source))
        elif get_origin(member) is Literal:
            if any(source == choice and type(source) is type(choice) for choice in get_args(member)):
                return source
        elif type(source) is member:
            return source
        elif member is float and type(source) is int:
            return float(source)
    raise UserError(f"The config's `{path}` should be {_in_words(declared)}, but it is {source!r}.")


def _decoded_config(configs: list[type], source: dict[str, Any], path: str) -> Any:
    cls = configs[0]
    if "type" in source:
        cls = _chosen(configs, str(source.pop("type")), path)
    elif len(configs) > 1:
        choices = " or ".join(cls.__name__ for cls in configs)
        raise UserError(f"The config lacks the key `{_join(path, 'type')}`, which says {choices}.")
    declared = _declared(cls)
    for key in source:
        if key not in declared:
            raise UserError(f"The config has an unknown key `{_join(path, key)}`.{nearest(key, declared)}")
    for key in declared:
        if key not in source:
            raise UserError(f"The config lacks the key `{_join(path, key)}`, which {cls.__name__} needs.")
    return cls(**{key: _decoded(kind, source[key], _join(path, key)) for key, kind in declared.items()})


# --- dotted leaves ---------------------------------------------------------------------------------------


def _leaves(declared: Any, value: Any, path: str) -> Iterable[tuple[str, Any]]:
    if is_dataclass(value):
        if len(_alternatives(declared)) > 1:
            yield path, short_name(type(value))
        for name, field_type in _declared(type(value)).items():
            yield from _leaves(field_type, getattr(value, name), _join(path, name))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(_value_type(declared), item, _join(path, key))
    else:
        yield path, value


def _with(declared: Any, value: Any, keys: list[str], text: str, path: str) -> Any:
    """`value` with the leaf that `keys` lead to replaced; `path` is the whole path, for the error."""
    if not keys:
        return _parsed(declared, value, text, path)
    key, *rest = keys
    if is_dataclass(value) and key in _declared(type(value)):
        part = _with(_declared(type(value))[key], getattr(value, key), rest, text, path)
        return replace(value, **{key: part})
    if isinstance(value, dict) and key in value:
        return {**value, key: _with(_value_type(declared), value[key], rest, text, path)}
    parent = path.split(".")[: -len(keys)]
    raise UserError(f"There is no setting `{path}`.{_hint(declared, value, '.'.join(parent), path)}")


def _hint(declared: Any, value: Any, parent: str, path: str) -> str:
    """The known leaf below the last config that exists, preferring one with the same last word."""
    known = [leaf for leaf, _ in _leaves(declared, value, parent)]
    same_word = [leaf for leaf in known if leaf.split(".")[-1] == path.split(".")[-1]]
    if same_word:
        return f" Did you mean {same_word[0]}?"
    by_word = {leaf.split(".")[-1]: leaf for leaf in known if leaf != parent}
    if 0 < len(by_word) <= _FEW:
        matched = get_close_matches(path.split(".")[-1], by_word, n=1)
        return f" Did you mean {by_word[matched[0]]}?" if matched else f" There is {', '.join(by_word.values())}."
    return nearest(path, known) or " `reverie show RECIPE` lists them all."


def _parsed(declared: Any, value: Any, text: str, path: str) -> Any:
    members = _alternatives(declared)
    if _NOTHING in members and text.lower() == "none":
        return None
    configs = _configs(declared)
    if configs and len(members) > 1:
        cls = _chosen(configs, text, path)
        return value if type(value) is cls else _from_defaults(cls, path)
    for member in members:
        try:
            return _scalar(member, text)
        except ValueError:
            continue
    if configs or isinstance(value, dict):
        known = ", ".join(leaf for leaf, _ in _leaves(declared, value, path)) or "nothing"
        raise UserError(f"`{path}` is a group of settings and takes no value itself; it holds {known}.")
    raise UserError(f"`{path}` should be {_in_words(declared)}, but `{text}` was given.")


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
        item_types = _item_types(declared, len(parts))
        if len(item_types) == len(parts):
            return tuple(_scalar(item, part) for item, part in zip(item_types, parts))
    raise ValueError(text)


def _chosen(configs: list[type], name: str, path: str) -> type:
    by_name = {short_name(cls): cls for cls in configs} | {cls.__name__: cls for cls in configs}
    if name not in by_name:
        known = [short_name(cls) for cls in configs]
        choices = ", ".join(known)
        raise UserError(f"`{path}` cannot be `{name}`; it is one of {choices}.{nearest(name, known)}")
    return by_name[name]


def _from_defaults(cls: type, path: str) -> Any:
    needed = [field.name for field in fields(cls) if _is_required(field)]
    if needed:
        names = ", ".join(needed)
        raise UserError(
            f"`{path}` cannot become {short_name(cls)} here, because that has no default for {names}; "
            f"choose it in Python with `dataclasses.replace`."
        )
    return cls()


def _is_required(field: Field) -> bool:
    return field.init and field.default is MISSING and field.default_factory is MISSING
