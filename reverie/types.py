"""Every value that crosses a folder's border.

Letters, everywhere the same: B batch, T data time, H imagined time, N candidates, K elites, A action,
E embedding, F features. Column t of a batch: `obs[t] reward[t] is_first[t] is_last[t] is_terminal[t]`
arrived together; `action[t]` was chosen after seeing `obs[t]`.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from jaxtyping import Bool, Float
from torch import Tensor

Metrics = dict[str, Tensor]
"""Scalars (0-d tensors) by name. They stay on their device until the logger asks for them."""
State = object
"""A belief: a frozen dataclass of tensors that share their leading axes. Only its dynamics knows the fields."""
N = TypeVar("N")


@dataclass(frozen=True)
class Batch:
    """B sequences of T agent decisions, as a `Source` gives them.

    `obs`: images `(B, T, height, width, channels)` uint8, vectors `(B, T, n)` float32.
    `action`: in [-1, 1] for a continuous space, one-hot for a discrete one; zero at `is_last`.
    `is_last` (the episode is over) and `is_terminal` (do not bootstrap) differ at a time limit.
    """

    obs: dict[str, Tensor]
    action: Float[Tensor, "B T A"]
    reward: Float[Tensor, "B T"]
    is_first: Bool[Tensor, "B T"]
    is_last: Bool[Tensor, "B T"]
    is_terminal: Bool[Tensor, "B T"]


@dataclass(frozen=True)
class Trace:
    """A batch as the world model saw it: what every learning signal reads.

    `prior[t]` was predicted from step t-1 alone, `posterior[t]` has also seen `obs[t]`; both are the
    dynamics' state type with leading axes (B, T). `obs` is the batch's, as networks see it. `dynamics` lets
    a signal go on from the trace (divergences, multi-step predictions) without owning the model; `noise` is the
    standard noise that drew the posteriors, None where they are means.
    """

    batch: Batch
    obs: dict[str, Tensor]
    embed: Float[Tensor, "B T E"]
    prior: State
    posterior: State
    features: Float[Tensor, "B T F"]
    dynamics: Any
    noise: Float[Tensor, "B T Z"] | None


@dataclass(frozen=True)
class ActNoise(Generic[N]):
    """Standard noise of one decision for B beliefs; a part that is None takes the mean or mode, or does not explore.

    `belief`: (B, Z), samples the posterior. `actor`: what the actor's own `noise` drew. `exploration`: (B, X).
    """

    belief: Tensor | None
    actor: N
    exploration: Tensor | None


@dataclass(frozen=True)
class Plan:
    """What planners refine and warm-start from: a diagonal Gaussian over action sequences, and the best found.

    The first of `elites` is what is executed: the mean where a planner says so, else the best sequence scored.
    """

    mean: Float[Tensor, "B H A"]
    std: Float[Tensor, "B H A"]
    elites: Float[Tensor, "B K H A"]

    @property
    def action(self) -> Float[Tensor, "B A"]:
        """The first action of what is executed."""
        return self.elites[:, 0, 0]
