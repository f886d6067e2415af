"""The declared types of config fields: what they allow, and the words for it."""

import functools
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from reverie.config import plugins
from reverie.config.choices import PARTS, require_frozen, short_name
from reverie.config.renamed import TYPES
from reverie.errors import UserError, nearest


@functools.cache
def declared_types(cls: type) -> dict[str, Any]:
    """Return the declared type of each field of a dataclass that `__init__` takes."""
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls) if field.init}


def alternatives(declared: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type alone."""
    return get_args(declared) if get_origin(declared) in (Union, UnionType) else (declared,)


def configs_of(declared: Any) -> list[type]:
    """Return the config classes that a value may have: for a family all imported parts."""
    configs: list[type] = []
    for member in alternatives(declared):
        configs += PARTS[member] if member in PARTS else [member] if is_dataclass(member) else []
    return configs


def is_choice(declared: Any) -> bool:
    """Return whether a setting names the config that is chosen here."""
    return len(alternatives(declared)) > 1 or declared in PARTS


def value_type(declared: Any) -> Any:
    """Return the declared type of the values of a `dict[str, X]`."""
    return next(get_args(member)[1] for member in alternatives(declared) if get_origin(member) is dict)


def item_types(declared: Any, length: int) -> tuple[Any, ...]:
    """Return the declared types of the items of a tuple with this length."""
    items = get_args(declared)
    return items[:1] * length if items[1:] == (Ellipsis,) else items


def in_words(declared: Any) -> str:
    """Return a type as a message names it: `an int`, `one of auto, cpu`, `a float or none`."""
    return " or ".join(map(_member_in_words, alternatives(declared)))


def _member_in_words(member: Any) -> str:
    if member in PARTS or is_dataclass(member):
        return " or ".join(map(short_name, configs_of(member)))
    if get_origin(member) is Literal:
        return "one of " + ", ".join(map(str, get_args(member)))
    if get_origin(member) is tuple:
        items = [getattr(item, "__name__", str(item)) for item in get_args(member) if item is not Ellipsis]
        return "a list of " + ", ".join(items)
    if member in (bool, NoneType):
        return "true or false" if member is bool else "none"
    name = getattr(get_origin(member) or member, "__name__", str(member))
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def join(path: str, key: str) -> str:
    """Return the dotted path of `key` below `path`, which is empty for the whole config."""
    return f"{path}.{key}" if path else key


def find_config(declared: Any, name: str, path: str) -> type:
    """Return the config class with this name, short or whole. A name that Reverie lacks in any case loads the plug-ins.

    Raise `UserError` where no class or two classes have the name.
    """
    matches = _with_name(declared, name) or _with_name(
        declared, TYPES.get(name.removesuffix("Config") + "Config", name)
    )
    if not matches:
        matches = [part for part in configs_of(declared) if short_name(part).lower() == name.lower()]
    if not matches and any(member in PARTS for member in alternatives(declared)):
        plugins.load_installed()
        matches = _with_name(declared, name)
    if not matches:
        names = list(dict.fromkeys(map(short_name, configs_of(declared))))
        raise UserError(f"`{path}` cannot be `{name}`; it is one of {', '.join(names)}.{nearest(name, names)}")
    if len(matches) > 1:
        modules = " and ".join(part.__module__ for part in matches)
        raise UserError(f"Two parts for `{path}` are called `{name}`, of {modules}: rename one, or leave one out.")
    return require_frozen(matches[0])


def find_saved_config(declared: Any, name: str, plugin: str | None, path: str) -> type:
    """Return the config class that a file names, with its plug-in unless it is Reverie's own."""
    if plugin is not None:
        plugins.require(plugin, name)
    owners = [(part, plugins.plugin_of(part)) for part in _with_name(declared, name)]
    matches = [part for part, owner in owners if owner == plugin]
    if plugin is None and not matches:
        return find_config(declared, name, path)
    matches = matches or [part for part, owner in owners if owner is not None]
    if not matches:
        raise UserError(f"The plug-in {plugin} has no {name}, which `{path}` needs: install the version that has it.")
    return require_frozen(matches[0])


def _with_name(declared: Any, name: str) -> list[type]:
    return [part for part in configs_of(declared) if name in (short_name(part), part.__name__)]


def from_defaults(cls: type, path: str) -> Any:
    """Return a config with its defaults. Raise `UserError` where a field has none."""
    init = [field for field in fields(cls) if field.init]
    needed = [field.name for field in init if field.default is MISSING and field.default_factory is MISSING]
    if needed:
        lack = f"`{path}` cannot become {short_name(cls)} here, because that has no default for {', '.join(needed)}"
        raise UserError(f"{lack}; choose it in Python with `dataclasses.replace`.")
    return cls()
