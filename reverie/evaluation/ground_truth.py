"""The true state that a representation is judged by: targets of probes, and true distances.

For most worlds these are the numbers of a privileged observation themselves. An environment may have a better one,
and then offers `ground_truth()`: an image of a rope does not show which end is which. Of an arm's joint angles an image
shows where each link points, not how often it has gone round.
"""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from reverie.envs import EnvConfig, make
from reverie.errors import UserError

ARMS = ("dm_control/reacher-",)
"""Planar arms whose `position` is the angles of their joints, from the shoulder on."""

Targets = Callable[[np.ndarray], np.ndarray]
Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _identity(state: np.ndarray) -> np.ndarray:
    return state


@dataclass(frozen=True)
class GroundTruth:
    """What the privileged observation `name` shows of the true state.

    `targets` maps (N, n) to the (N, K) that an image can show. `distance` of pairs (N, n), (N, n) is (N,); without it,
    it is that of the targets, each in units of its standard deviation.
    """

    name: str
    targets: Targets = _identity
    distance: Distance | None = None


@runtime_checkable
class OffersGroundTruth(Protocol):
    """An unwrapped Gymnasium environment with a ground truth of its own."""

    def ground_truth(self) -> GroundTruth: ...


def ground_truth(env: EnvConfig | None, privileged: Iterable[str]) -> GroundTruth | None:
    """Return what to judge by, out of the privileged observations. None if there are none.

    The environment's own ground truth goes first. The environment is made for that, and closed.
    """
    names = list(privileged)
    if env is not None and names:
        if env.id.startswith(ARMS) and "position" in names:
            return GroundTruth("position", link_directions)
        offered = _offered(env)
        if offered is not None and offered.name in names:
            return offered
    return GroundTruth(names[0]) if names else None


def link_directions(angles: Float[np.ndarray, "N joints"]) -> Float[np.ndarray, "N twice"]:
    """Return cosine and sine of each link's direction on the table: the sum of the angles up to its joint."""
    directions = angles.cumsum(1)
    return np.concatenate([np.cos(directions), np.sin(directions)], 1)


def _offered(env: EnvConfig) -> GroundTruth | None:
    """Return the environment's own ground truth. None without one, or where the environment cannot be made."""
    if env.id.startswith("dm_control/"):  # loading a task takes seconds, and none offers anything
        return None
    try:
        environment = make(env)
    except UserError:  # the data can still be learned from
        return None
    with closing(environment):
        unwrapped = getattr(environment, "unwrapped", None)
        return unwrapped.ground_truth() if isinstance(unwrapped, OffersGroundTruth) else None
