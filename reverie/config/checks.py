"""Limits of settings: declared beside a field, checked whenever a config is made.

    size: int = field(default=30, metadata=at_least(1))

A dataclass below `Checked` (every `Choice` is) checks them after `__init__`, in Python as in files and options.
"""

from collections.abc import Callable
from dataclasses import fields
from types import NoneType
from typing import Any, get_args

from reverie.errors import UserError

Metadata = dict[str, tuple[Callable[[Any], bool], str]]
"""Metadata of a field: whether a value is legal, and the words for it. `None` is legal where its type allows it."""


def at_least(low: float) -> Metadata:
    """Limit a field to `low` or more."""
    return {"limit": (lambda value: value >= low, f"it must be {low} or more")}


def positive() -> Metadata:
    """Limit a field to values above 0 and below infinity."""
    return {"limit": (lambda value: 0 < value < float("inf"), "it must be positive and finite")}


def above(low: float) -> Metadata:
    """Limit a field to values above `low`; infinity, which leaves out a limit, is legal."""
    return {"limit": (lambda value: value > low, f"it must be above {low}")}


def between(low: float, high: float) -> Metadata:
    """Limit a field to values from `low` to `high`, both included."""
    return {"limit": (lambda value: low <= value <= high, f"it must be between {low} and {high}")}


MOST = 2**53
"""The largest whole number of any setting: beyond it, sums and products no longer fit into a tensor's numbers."""


class Checked:
    """Base of a config dataclass with limits. A subclass with more checks calls `super().__post_init__()` first."""

    def __post_init__(self) -> None:
        owner = type(self).__name__.removesuffix("Config")
        for item in fields(self):  # pyrefly: ignore
            check_setting(type(self), item.name, getattr(self, item.name), f"`{item.name}` of {owner}")


def check_setting(cls: type, name: str, value: Any, shown: str) -> None:
    """Raise `UserError` where `value` breaks the limit of a field. The message calls the field `shown`.

    The limit of a dict is that of each of its values.
    """
    if isinstance(value, dict):
        for key, part in value.items():
            check_setting(cls, name, part, f"{key} in {shown}")
        return
    if isinstance(value, int) and abs(value) > MOST:
        raise UserError(f"{shown} is {value}: no setting goes beyond {MOST}.")
    item = next(item for item in fields(cls) if item.name == name)
    holds, words = item.metadata.get("limit", (None, ""))
    if holds is not None and value is not None and not holds(value):
        none = ", or none" if NoneType in get_args(item.type) else ""
        raise UserError(f"{shown} is {value}: {words}{none}.")
