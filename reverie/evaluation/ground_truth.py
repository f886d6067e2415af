"""The true state that a representation is judged by: targets of probes, and true distances.

For most worlds these are the numbers of a privileged observation. An environment whose images show less can offer a
`ground_truth()`: an image of a rope does not show which end is which. An image of an arm shows where its links point,
but not the number of their turns.
"""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from reverie.envs import EnvConfig, make
from reverie.errors import UserError


@dataclass(frozen=True)
class GroundTruth:
    """The true state in the privileged observation `name`."""

    name: str
    targets: Callable[[Float[np.ndarray, "N n"]], Float[np.ndarray, "N K"]] = np.asarray
    """Maps the observation to the numbers that an image can show."""
    distance: Callable[[Float[np.ndarray, "N n"], Float[np.ndarray, "N n"]], Float[np.ndarray, " N"]] | None = None
    """Distance of pairs. Without it, it is that of the targets, each over its standard deviation."""


def ground_truth(env: EnvConfig | None, privileged: Iterable[str]) -> GroundTruth | None:
    """Return the ground truth in the privileged observations, None if there are none.

    A `ground_truth()` of the unwrapped environment goes first. The environment is made for that, and closed.
    """
    names = list(privileged)
    if env is not None and names:
        if env.id.startswith("dm_control/reacher-") and "position" in names:
            return GroundTruth("position", link_directions)
        offered = _own_ground_truth(env)
        if offered is not None and offered.name in names:
            return offered
    return GroundTruth(names[0]) if names else None


def link_directions(angles: Float[np.ndarray, "N joints"]) -> Float[np.ndarray, "N twice"]:
    """Return cosine and sine of each link's direction on the table: the sum of the angles from the shoulder on."""
    directions = angles.cumsum(1)
    return np.concatenate([np.cos(directions), np.sin(directions)], 1)


def _own_ground_truth(env: EnvConfig) -> GroundTruth | None:
    """Return the environment's own ground truth. None without one, or if the environment cannot be made."""
    if env.id.startswith("dm_control/"):  # loading a task takes seconds, and none has one
        return None
    try:
        environment = make(env)
    except UserError:  # a model can still learn from the data
        return None
    with closing(environment):
        own = getattr(getattr(environment, "unwrapped", None), "ground_truth", None)
        return own() if own is not None else None
