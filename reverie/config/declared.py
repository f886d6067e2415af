"""What the declared type of a config field allows, and how to say so to a user."""

import functools
import types
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from reverie.errors import UserError, nearest

NOTHING = type(None)


def short_name(cls: type) -> str:
    """What a user types to choose this config: its class name without the ending `Config`."""
    return cls.__name__.removesuffix("Config") or cls.__name__


@functools.cache
def declared_types(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls) if field.init}


def alternatives(declared: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself."""
    return get_args(declared) if get_origin(declared) in (Union, types.UnionType) else (declared,)


def configs_of(declared: Any) -> list[type]:
    return [member for member in alternatives(declared) if is_dataclass(member)]


def value_type(declared: Any) -> Any:
    """What the values of a `dict[str, X]` are declared as."""
    return next(get_args(member)[1] for member in alternatives(declared) if get_origin(member) is dict)


def item_types(declared: Any, length: int) -> tuple[Any, ...]:
    """The types of a tuple's items, for a tuple of that length."""
    items = get_args(declared)
    return items[:1] * length if items[1:] == (Ellipsis,) else items


def in_words(declared: Any) -> str:
    """The type as the user should read it: `an int`, `one of auto, cpu`, `a float or none`."""
    words = []
    for member in alternatives(declared):
        if is_dataclass(member):
            words.append(short_name(member))
        elif get_origin(member) is Literal:
            words.append("one of " + ", ".join(map(str, get_args(member))))
        elif get_origin(member) is tuple:
            items = [getattr(item, "__name__", str(item)) for item in get_args(member) if item is not Ellipsis]
            words.append("a list of " + ", ".join(items))
        elif member is bool:
            words.append("true or false")
        elif member is NOTHING:
            words.append("none")
        else:
            name = getattr(get_origin(member) or member, "__name__", str(member))
            words.append(f"an {name}" if name[0] in "aeiou" else f"a {name}")
    return " or ".join(words)


def join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def chosen(configs: list[type], name: str, path: str) -> type:
    by_name = {short_name(cls): cls for cls in configs} | {cls.__name__: cls for cls in configs}
    if name not in by_name:
        known = [short_name(cls) for cls in configs]
        choices = ", ".join(known)
        raise UserError(f"`{path}` cannot be `{name}`; it is one of {choices}.{nearest(name, known)}")
    return by_name[name]


def from_defaults(cls: type, path: str) -> Any:
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
