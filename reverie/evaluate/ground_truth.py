"""What a privileged observation is good for when a representation is judged: targets of probes, and true distances.

Of most worlds the numbers themselves. Of a rope or a cloth an image cannot tell which end is which, so probes are
asked for what is the same in every order that looks the same, and distances are those of the best order. Of an arm's
joint angles an image shows where each link points, not how often it has gone round.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module

import numpy as np
from jaxtyping import Float

from reverie.envs.base import EnvConfig
from reverie.envs.gymnasium import OWN
from reverie.errors import UserError
from reverie_worlds.deformable import Deformable, invariants, symmetric_distance

ARMS = ("dm_control/reacher-",)
"""Planar arms whose `position` is the angles of their joints, from the shoulder on."""

Targets = Callable[[np.ndarray], np.ndarray]
Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _itself(state: np.ndarray) -> np.ndarray:
    return state


@dataclass(frozen=True)
class Truth:
    """Of the privileged observation `name`: `targets` (N, n) -> (N, K), `distance` of pairs (N, n) x 2 -> (N,).

    Without a `distance` it is that of the targets, each in units of its standard deviation.
    """

    name: str
    targets: Targets = _itself
    distance: Distance | None = None


def truth(env: EnvConfig | None, privileged: Iterable[str]) -> Truth | None:
    """What to judge by among the observations that were recorded beside what the model sees; None if nothing fits."""
    names = list(privileged)
    thing = None if env is None else deformable(env)
    if thing is not None and "state" in names:
        return of_points(thing.symmetries, thing.POINTS)
    if env is not None and env.id.startswith(ARMS) and "position" in names:
        return Truth("position", directions)
    return Truth(names[0]) if names else None


def directions(angles: Float[np.ndarray, "N joints"]) -> Float[np.ndarray, "N twice"]:
    """Cosine and sine of each link's direction on the table: the sum of the angles up to its joint."""
    seen = angles.cumsum(1)
    return np.concatenate([np.cos(seen), np.sin(seen)], 1)


def of_points(symmetries: np.ndarray, points: int) -> Truth:
    """Of coordinates of points that look the same in several orders."""

    def shaped(state: Float[np.ndarray, "N n"]) -> np.ndarray:
        return state.reshape(len(state), points, -1)

    return Truth(
        "state",
        lambda state: invariants(shaped(state), symmetries),
        lambda state, other: symmetric_distance(shaped(state), shaped(other), symmetries),
    )


def deformable(env: EnvConfig) -> Deformable | None:
    """The thing on the table, if the environment is one that can be made here."""
    entry = OWN.get(env.id)
    if entry is None:
        return None
    module, name = entry[0].split(":")
    kind = getattr(import_module(module), name)
    if not issubclass(kind, Deformable):
        return None
    try:
        return kind()
    except UserError:  # without the simulator the data can still be learned from
        return None
