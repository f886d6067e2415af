"""Limits of settings: declared beside a field, checked whenever a config is made.

    size: int = field(default=30, metadata=at_least(1))

A dataclass below `Checked` (every `Choice` is) checks them after `__init__`, in Python as in files and options.
"""

import math
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, get_args

from reverie.errors import UserError

Metadata = dict[str, Any]
"""Metadata of a field. `limit` has a function that says whether a value is legal, and the words for it.

`None` is legal where its type allows it.
"""
MAY_CHANGE: Metadata = {"may_change": True}
"""Metadata of a setting, or group of settings, that may change when a run is resumed.

It says how much, how often, where or how fast, and takes no part in what is computed.
"""


def at_least(low: float) -> Metadata:
    """Limit a field to `low` or more, and below infinity."""
    return {"limit": (lambda value: low <= value < float("inf"), f"it must be {low} or more")}


def positive() -> Metadata:
    """Limit a field to values above 0 and below infinity."""
    return {"limit": (lambda value: 0 < value < float("inf"), "it must be positive and finite")}


def share() -> Metadata:
    """Limit a field to a part of the whole: above 0, and up to 1."""
    return {"limit": (lambda value: 0 < value <= 1, "it must be above 0 and at most 1")}


def above(low: float) -> Metadata:
    """Limit a field to values above `low`; infinity, which leaves out a limit, is legal."""
    return {"limit": (lambda value: value > low, f"it must be above {low}")}


def between(low: float, high: float) -> Metadata:
    """Limit a field to values from `low` to `high`, both included."""
    return {"limit": (lambda value: low <= value <= high, f"it must be between {low} and {high}")}


def below(high: float) -> Metadata:
    """Limit a field to values from 0 to below `high`."""
    return {"limit": (lambda value: 0 <= value < high, f"it must be 0 or more, and below {high}")}


MOST = 2**53
"""The largest whole number of any setting: sums and products of larger ones do not fit into 64 bits."""
FINEST, COARSEST = 1e-30, 1e30
"""The range of any other number of a setting, 0 and infinity aside: beyond it, float32 has 0 and infinity instead."""


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
    item = next(item for item in fields(cls) if item.name == name)
    holds, words = item.metadata.get("limit", (None, ""))
    if holds is None or value is None:
        return
    if not holds(value):
        none = ", or none" if NoneType in get_args(item.type) else ""
        raise UserError(f"{shown} is {value}: {words}{none}.")
    if isinstance(value, int) and abs(value) > MOST:
        raise UserError(f"{shown} is {value}: no setting goes beyond {MOST}.")
    if isinstance(value, float) and value not in (0, math.inf) and not FINEST <= abs(value) <= COARSEST:
        raise UserError(f"{shown} is {value}: no setting is finer than {FINEST:g} or coarser than {COARSEST:g}.")


def may_change(config: Any, path: str) -> bool:
    """Return whether the setting at a dotted path, or a group that it stands in, may change in a run that has begun."""
    for key in path.split("."):
        if isinstance(config, dict):
            config = config.get(key)
            continue
        item = next((item for item in fields(config) if item.name == key), None) if is_dataclass(config) else None
        if item is None or item.metadata.get("may_change"):
            return item is not None
        config = getattr(config, key)
    return False
