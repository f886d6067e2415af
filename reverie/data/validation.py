"""Checks of recorded data. All data pass them before a model learns from them."""

import torch

from reverie.config.checks import between
from reverie.data.chunks import Columns, layout
from reverie.errors import UserError
from reverie.spaces import EnvSpec

SHARE = between(0.001, 0.5)
"""Metadata of a field: the share of held-out trajectories."""
TOLERANCE = 1e-4
"""The largest excess of an action over [-1, 1]: the rounding error of its scaling."""


def check(columns: Columns, spec: EnvSpec, source: str) -> None:
    """Raise UserError unless these are faultless columns of `spec`. Its sentence begins with `source`."""
    length = len(columns["reward"])
    for name, (shape, dtype) in layout(spec).items():
        shown = f"observation {name.removeprefix('obs/')!r}" if name.startswith("obs/") else name
        if name not in columns:
            raise UserError(f"{source} has no {shown}: record it, or leave it out.")
        column, wanted = columns[name], (length, *shape)
        if column.dtype != dtype or column.shape != wanted:
            given = f"{column.dtype} {tuple(column.shape)}, but it must be {dtype} {wanted}.".replace("torch.", "")
            raise UserError(f"{source} has {shown} of {given}")
        if dtype.is_floating_point and not (finite := column.isfinite().reshape(length, -1).all(1)).all():
            row = int((~finite).nonzero()[0, 0])
            raise UserError(f"{source} has no finite {shown} in row {row}: repair that episode, or leave it out.")
    action, first, last = columns["action"], columns["is_first"], columns["is_last"]
    if spec.action.discrete:
        chosen = action[~last]
        if ((chosen != 0) & (chosen != 1)).any() or (chosen.sum(1) != 1).any():
            raise UserError(f"{source} has an action that is not one-hot: give each choice a column of its own.")
    elif (outside := (action.abs() > 1 + TOLERANCE).any(1)).any():
        row = int(outside.nonzero()[0, 0])
        worst = f"{float(action[row].abs().max()):.3g} in row {row}"
        raise UserError(f"{source} has an action of {worst}, outside [-1, 1]: scale by its real bounds.")
    if not first[0] or not torch.equal(first[1:], last[:-1]):
        raise UserError(f"{source} has an episode that does not begin where one ends: mark each end by is_last.")


def check_held_out(trajectories: int, source: str) -> None:
    """Raise UserError unless there are enough trajectories to hold one out and learn from another."""
    if trajectories < 2:
        raise UserError(f"{source} has too few trajectories ({trajectories}) to hold one out: record two or more.")


def held_out(number: int, share: float) -> bool:
    """Return whether trajectory `number` is held out: number 0 is, then evenly spaced ones, `share` of all."""
    millionths = round(share * 1e6)
    return -number * millionths % 1_000_000 < millionths  # whether a multiple of 1 / share lies in [number, number + 1)
