"""What the declared type of a config field allows, and how to say so to a user."""

import functools
import types
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from reverie.config import plugins
from reverie.config.choices import checked, is_family, parts_of, short_name
from reverie.config.renamed import TYPES
from reverie.errors import UserError, nearest

NOTHING = type(None)


@functools.cache
def declared_types(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls) if field.init}


def alternatives(declared: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself."""
    return get_args(declared) if get_origin(declared) in (Union, types.UnionType) else (declared,)


def configs_of(declared: Any) -> list[type]:
    """The config classes that a value may be of: of a family all that have been imported."""
    configs: list[type] = []
    for member in alternatives(declared):
        if is_family(member):
            configs += parts_of(member)
        elif is_dataclass(member):
            configs.append(member)
    return configs


def is_choice(declared: Any) -> bool:
    """Whether a value of this type is one of several, so that the one chosen has to be named."""
    return len(alternatives(declared)) > 1 or is_family(declared)


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
        if is_family(member):
            words += [short_name(part) for part in parts_of(member)]
        elif is_dataclass(member):
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


def chosen(declared: Any, name: str, path: str) -> type:
    """The config class of that name, short or whole; installed plug-ins are asked where Reverie has none.

    UserError where there is none, or two plug-ins have one.
    """
    matches = _named(declared, name) or _named(declared, TYPES.get(name.removesuffix("Config") + "Config", name))
    if not matches and any(map(is_family, alternatives(declared))):
        plugins.load_installed()
        matches = _named(declared, name)
    if not matches:
        names = list(dict.fromkeys(map(short_name, configs_of(declared))))
        raise UserError(f"`{path}` cannot be `{name}`; it is one of {', '.join(names)}.{nearest(name, names)}")
    if len(matches) > 1:
        modules = " and ".join(part.__module__ for part in matches)
        raise UserError(f"Two parts for `{path}` are called `{name}`, of {modules}: rename one, or leave one out.")
    return checked(matches[0])


def recorded(declared: Any, name: str, plugin: str | None, path: str) -> type:
    """The config class that a file names by its class name, and by its plug-in unless it is Reverie's own."""
    if plugin is None:
        own = [part for part in _named(declared, name) if plugins.plugin_of(part) is None]
        return checked(own[0]) if own else chosen(declared, name, path)
    plugins.require(plugin, name)
    theirs = [part for part in _named(declared, name) if plugins.plugin_of(part) is not None]
    matches = [part for part in theirs if plugins.plugin_of(part) == plugin] or theirs
    if not matches:
        raise UserError(f"The plug-in {plugin} has no {name}, which `{path}` needs: install the version that has it.")
    return checked(matches[0])


def _named(declared: Any, name: str) -> list[type]:
    return [part for part in configs_of(declared) if name in (short_name(part), part.__name__)]


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
