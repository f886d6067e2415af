"""Descriptions of settings: the strings under the fields of config dataclasses, of Reverie's and of a user's."""

import ast
import functools
import inspect
import itertools
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any


def describe(config: Any) -> dict[str, str]:
    """Return the description of each setting by its dotted path, on one line.

    It is the string under the field. A part without one has the first line of its class, and any other item of a dict
    the description of the dict. Settings without any are left out.
    """
    return {path: text for path, text in _describe(config, "", "") if text}


@functools.cache
def field_descriptions(cls: type) -> dict[str, str]:
    """Return the descriptions of a dataclass's fields by name, also those of base classes.

    A description is the string right under a field. Without the source of a class there are none.
    """
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except (OSError, TypeError, SyntaxError):
            continue
        for statement, below in itertools.pairwise(tree.body[0].body):  # pyrefly: ignore
            match statement, below:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                    texts[name] = " ".join(text.split())
    return texts


def _describe(config: Any, path: str, inherited: str) -> Iterator[tuple[str, str]]:
    """Yield path and description of everything in a config. `inherited` describes the items of a dict."""
    parts: list[tuple[str, Any, str, str]] = []
    if isinstance(config, dict):
        parts = [(key, item, "", inherited) for key, item in config.items()]
    elif is_dataclass(config):
        texts = field_descriptions(type(config))
        parts = [(field.name, getattr(config, field.name), texts.get(field.name, ""), "") for field in fields(config)]
    for name, value, own, fallback in parts:
        yield f"{path}{name}", own or (_first_line(type(value)) if is_dataclass(value) else "") or fallback
        yield from _describe(value, f"{path}{name}.", own)


def _first_line(cls: type) -> str:
    line = (cls.__doc__ or "").strip().partition("\n")[0]
    return "" if line.startswith(f"{cls.__name__}(") else line  # `dataclass` writes the signature where it is empty
