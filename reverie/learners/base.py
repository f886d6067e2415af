"""The contract of a learner: improve a policy from beliefs, in imagination or otherwise."""

from typing import Protocol, TypeVar, runtime_checkable

import torch

from reverie.nn.optimizer import Optimizer
from reverie.types import Metrics, State

M = TypeVar("M", contravariant=True)
N = TypeVar("N")


@runtime_checkable
class Learner(Protocol[M, N]):
    """A module with a state dict; owns what it learns: `policy` and `value`, None where there is none.

    `M` is the type of the model that it learns from, `N` of its noise.
    """

    def optimizers(self) -> dict[str, Optimizer]:
        """Fresh optimizers by name, made once the parameters are on their device."""
        ...

    def noise(self, model: M, batch: int, generator: torch.Generator) -> N:
        """All standard noise of one update from `batch` beliefs."""
        ...

    def update(self, model: M, belief: State, noise: N, optimizers: dict[str, Optimizer]) -> Metrics:
        """Improve the policy from detached beliefs with leading axis (batch,). The world model is only read."""
        ...
