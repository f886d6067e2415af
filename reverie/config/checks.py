"""Limits of settings: declared beside a field, checked whenever a config is made, worded once.

    size: int = field(default=30, metadata=at_least(1))

A base class `Checked` (every `Choice` is one) checks them after `__init__`, in Python as in files and options.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from types import NoneType
from typing import Any, get_args

from reverie.errors import UserError


@dataclass(frozen=True)
class Limit:
    """What a value must satisfy, and the words for it. `None` is always legal: the declared type excludes it."""

    holds: Callable[[Any], bool]
    words: str


_KEY = "limit"


def at_least(low: float) -> dict[str, Limit]:
    """Metadata of a field: `low` or more."""
    return {_KEY: Limit(lambda value: value >= low, f"it must be {low} or more")}


def positive() -> dict[str, Limit]:
    """Metadata of a field: above 0 and finite."""
    return {_KEY: Limit(lambda value: 0 < value < float("inf"), "it must be positive and finite")}


def between(low: float, high: float) -> dict[str, Limit]:
    """Metadata of a field: from `low` to `high`, both included."""
    return {_KEY: Limit(lambda value: low <= value <= high, f"it must be between {low} and {high}")}


class Checked:
    """Base of a config dataclass whose fields have limits.

    A subclass with more to check calls `super().__post_init__()` in its own.
    """

    def __post_init__(self) -> None:
        owner = type(self).__name__.removesuffix("Config")
        for item in fields(self):  # pyrefly: ignore
            check_setting(type(self), item.name, getattr(self, item.name), f"`{item.name}` of {owner}")


def check_setting(cls: type, name: str, value: Any, shown: str) -> None:
    """Raise `UserError` where `value` breaks the limit of a field; the error calls it `shown`."""
    item = next(item for item in fields(cls) if item.name == name)
    limit = item.metadata.get(_KEY)
    if limit is not None and value is not None and not limit.holds(value):
        none = ", or none" if NoneType in get_args(item.type) else ""
        raise UserError(f"{shown} is {value}: {limit.words}{none}.")
