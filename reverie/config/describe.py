"""Descriptions of settings: the strings under the fields of config dataclasses, of Reverie's and of a user's."""

import ast
import functools
import inspect
import sys
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import Any


def describe(config: Any) -> dict[str, str]:
    """Return the description of each setting by its dotted path, on one line.

    It is the string under the field. A part without one has the first line of its class, and any other item of a dict
    the description of the dict. Settings without any are left out.
    """
    return _describe(config, "", "")


@functools.cache
def field_descriptions(cls: type) -> dict[str, str]:
    """Return the descriptions of a dataclass's fields by name, also those of base classes.

    A description is the string right under a field. Without the source of a class there are none.
    """
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        node = _classes(base.__module__).get(base.__name__)
        for statement, below in pairwise(node.body if node else ()):
            match statement, below:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                    texts[name] = " ".join(text.split())
    return texts


@functools.cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    """Return the classes in the source of a module that is loaded."""
    try:
        nodes = ast.walk(ast.parse(inspect.getsource(sys.modules[module])))
    except (KeyError, OSError, TypeError, SyntaxError):
        return {}
    return {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}


def _describe(config: Any, path: str, inherited: str) -> dict[str, str]:
    """Return the descriptions of everything in a config at `path`. `inherited` describes items of a dict."""
    if isinstance(config, dict):
        values, texts = config, {}
    elif is_dataclass(config):
        values = {item.name: getattr(config, item.name) for item in fields(config)}
        texts, inherited = field_descriptions(type(config)), ""
    else:
        return {}
    described: dict[str, str] = {}
    for name, value in values.items():
        text = texts.get(name) or _first_line(value) or inherited
        described |= ({f"{path}{name}": text} if text else {}) | _describe(value, f"{path}{name}.", text)
    return described


def _first_line(value: Any) -> str:
    """Return the first line of the docstring of a config's class; empty for any other value."""
    line = (type(value).__doc__ or "").strip().partition("\n")[0] if is_dataclass(value) else ""
    return "" if line.startswith(f"{type(value).__name__}(") else line  # what `dataclass` writes for an empty one
