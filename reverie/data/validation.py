"""Checks of recorded data. Everything that is read or recorded passes them before anything learns from it."""

import torch
from torch import Tensor

from reverie.config.checks import between
from reverie.data import replay as replays
from reverie.errors import UserError
from reverie.spaces import EnvSpec

SHARE = between(0.001, 0.5)
"""Metadata of a field: a share of the trajectories that leaves something on both sides."""
TOLERANCE = 1e-4
"""By which an action may exceed [-1, 1]: the rounding error of its scaling."""


def check(columns: dict[str, Tensor], spec: EnvSpec, source: str) -> None:
    """Raise UserError unless these are columns of `spec` without a fault. Its sentence begins with `source`."""
    length = len(columns["reward"])
    for name, (shape, dtype) in replays.columns(spec).items():
        if name not in columns:
            raise UserError(f"{source} has no {_in_words(name)}: record it, or leave it out.")
        column = columns[name]
        if column.dtype != dtype or tuple(column.shape) != (length, *shape):
            given = f"{str(column.dtype).removeprefix('torch.')} {tuple(column.shape)}"
            wanted = f"{str(dtype).removeprefix('torch.')} {(length, *shape)}"
            raise UserError(f"{source} has {_in_words(name)} of {given}: it must be {wanted}.")
        if dtype == torch.float32:
            _check_finite(column, name, source)
    if length == 0:
        raise UserError(f"{source} is empty: record something.")
    _check_actions(columns["action"], columns["is_last"], spec.action.discrete, source)
    first, last = columns["is_first"], columns["is_last"]
    if not bool(first[0]) or not torch.equal(first[1:], last[:-1]):
        raise UserError(
            f"{source} has episodes that do not begin where the one before ends: mark every end by is_last."
        )


def check_held_out(trajectories: int, source: str) -> None:
    """Raise UserError if there are too few trajectories to hold one out and learn from another."""
    if trajectories < 2:
        raise UserError(f"{source} has too few trajectories ({trajectories}) to hold one out: record two or more.")


def held_out(number: int, share: float) -> bool:
    """Whether trajectory `number` is held out: the first is, then evenly spaced ones, so that about `share` are."""
    return _held_out_before(number + 1, share) > _held_out_before(number, share)


def _held_out_before(number: int, share: float) -> int:
    millionths = round(share * 1e6)
    return -(-number * millionths // 1_000_000)


def _check_finite(column: Tensor, name: str, source: str) -> None:
    odd = ~torch.isfinite(column.reshape(len(column), -1)).all(1)
    if odd.any():
        row = int(odd.nonzero()[0, 0])
        raise UserError(f"{source} has no finite {_in_words(name)} in row {row}: repair that episode, or leave it out.")


def _check_actions(action: Tensor, is_last: Tensor, discrete: bool, source: str) -> None:
    """Within [-1, 1], or one-hot wherever something was done."""
    if discrete:
        chosen = action[~is_last]
        odd = ((chosen != 0) & (chosen != 1)).any(1) | (chosen.sum(1) != 1)
        if odd.any():
            raise UserError(f"{source} has an action that is not one-hot: give each choice a column of its own.")
    elif action.numel() and float(action.abs().max()) > 1 + TOLERANCE:
        row = int((action.abs().amax(1) > 1 + TOLERANCE).nonzero()[0, 0])
        worst = float(action[row].abs().max())
        raise UserError(
            f"{source} has an action of {worst:.3g} in row {row}, outside [-1, 1]: scale by its real bounds."
        )


def _in_words(name: str) -> str:
    """Return a column's name for a sentence: `observation 'state'`, `action`."""
    return f"observation {name.removeprefix('obs/')!r}" if name.startswith("obs/") else name
