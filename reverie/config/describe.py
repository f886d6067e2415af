"""Descriptions of settings: the strings that stand under the fields of config dataclasses."""

import ast
import functools
import inspect
import itertools
import sys
from dataclasses import fields, is_dataclass
from typing import Any


def describe(config: Any) -> dict[str, str]:
    """Each setting's description by its dotted path, on one line; settings without one are left out.

    A part that was chosen (`model.dynamics`) is described by its field, else by its class.
    """
    return dict(_describe(config, ""))


@functools.cache
def field_descriptions(cls: type) -> dict[str, str]:
    """The descriptions of a dataclass's fields by name, those of its bases included.

    A description is the string literal right under a field. Empty where the source cannot be read.
    """
    described: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        described |= _class_strings(base.__module__).get(base.__qualname__, {})
    return described


def _describe(config: Any, path: str) -> list[tuple[str, str]]:
    parts = [(key, item, "") for key, item in config.items()] if isinstance(config, dict) else []
    if is_dataclass(config):
        texts = field_descriptions(type(config))
        parts = [(field.name, getattr(config, field.name), texts.get(field.name, "")) for field in fields(config)]
    described = []
    for name, value, text in parts:
        text = text or (_first_line(type(value)) if is_dataclass(value) else "")
        if text:
            described.append((f"{path}{name}", text))
        described += _describe(value, f"{path}{name}.")
    return described


def _first_line(cls: type) -> str:
    line = (cls.__doc__ or "").strip().partition("\n")[0]
    return "" if line.startswith(f"{cls.__name__}(") else line  # what `dataclass` writes where nothing stands


@functools.cache
def _class_strings(module: str) -> dict[str, dict[str, str]]:
    """Class -> field -> description, of a module that is loaded."""
    try:
        body = ast.parse(inspect.getsource(sys.modules[module])).body
    except (KeyError, OSError, TypeError, SyntaxError):
        return {}
    return {node.name: _strings(node.body) for node in body if isinstance(node, ast.ClassDef)}


def _strings(body: list[ast.stmt]) -> dict[str, str]:
    strings = {}
    for statement, below in itertools.pairwise(body):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            match below:
                case ast.Expr(ast.Constant(str(text))):
                    strings[statement.target.id] = " ".join(text.split())
    return strings
