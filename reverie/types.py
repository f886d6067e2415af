"""The values that are passed between rooms: batches, traces, noise and plans.

Letters are the same everywhere: B batch, T data time, H imagined time, N candidates, K elites, A action, E embedding,
F features. In column t of a batch, `obs reward is_first is_last is_terminal` arrive together. `action[t]` is chosen
after `obs[t]`.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from jaxtyping import Bool, Float, Int
from torch import Tensor

Metrics = dict[str, Tensor]
"""Scalars (0-d tensors) by name. They stay on their device until they are logged."""
State = object
"""A belief: a frozen dataclass of tensors that share their leading axes. Only its dynamics knows the fields."""
N = TypeVar("N")


@dataclass(frozen=True)
class Context:
    """What a replay with latents knows of the column before each sequence, and where the sequences are from."""

    belief: State
    """The stored belief, leading axis (B,)."""
    action: Float[Tensor, "B A"]
    """The action that followed it."""
    columns: Int[Tensor, "B T"]
    """Places of the sequences' own latents, to overwrite."""


@dataclass(frozen=True)
class Batch:
    """B sequences of T agent steps.

    `obs`: images `(B, T, height, width, channels)` uint8, vectors `(B, T, n)` float32.
    `action`: in [-1, 1] for a continuous space, one-hot for a discrete one; zero at `is_last`.
    `is_last` (the episode is over) and `is_terminal` (do not bootstrap) differ at a time limit.
    `context`: what came before the first column; None begins with the initial belief.
    """

    obs: dict[str, Tensor]
    action: Float[Tensor, "B T A"]
    reward: Float[Tensor, "B T"]
    is_first: Bool[Tensor, "B T"]
    is_last: Bool[Tensor, "B T"]
    is_terminal: Bool[Tensor, "B T"]
    context: Context | None = None


@dataclass(frozen=True)
class Trace:
    """A batch and the world model's beliefs along it: the input of every learning signal.

    `prior[t]` is predicted from step t-1, and `posterior[t]` is corrected by `obs[t]`. Both are states of the dynamics
    with leading axes (B, T). `obs` is normalized. `dynamics` (a `Dynamics`) is for divergences and multi-step
    predictions. `noise` is the standard noise of the posteriors, None where they are means.
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
    """Standard noise of one decision for B beliefs. Without a part, the decision takes the mean, or does not explore.

    `belief` (B, Z) samples the posterior. `actor` is from the actor's own `noise`. `exploration` is (B, X).
    """

    belief: Tensor | None
    actor: N
    exploration: Tensor | None


@dataclass(frozen=True)
class Plan:
    """A planner's state: a distribution over action sequences, and the best sequences.

    `mean` and `std` are those of a diagonal Gaussian, or of one-hot vectors: then `mean` has the choices'
    probabilities. The first of `elites` is executed: the mean, or the choice that is most likely at each step, or the
    sequence with the highest score, as the planner chooses.
    """

    mean: Float[Tensor, "B H A"]
    std: Float[Tensor, "B H A"]
    elites: Float[Tensor, "B K H A"]

    @property
    def action(self) -> Float[Tensor, "B A"]:
        """The action to execute now."""
        return self.elites[:, 0, 0]
