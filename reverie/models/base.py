"""The contract of what learns to predict: a world model of sequences, or a generative model of single images.

Batch -> trace -> losses {name: (B, T)} -> total -> update
"""

from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.types import Batch, Metrics

N = TypeVar("N")
T = TypeVar("T")


@runtime_checkable
class Model(Protocol[N, T]):
    """A module with a state dict; its losses are a dict whose names must equal the dict of its weights.

    `N` is the type of its noise, `T` of its trace.
    """

    def noise(self, batch: int, length: int, generator: torch.Generator) -> N:
        """Standard noise of one trace of `batch` sequences of `length`."""
        ...

    def calibrate(self, batch: Batch) -> None:
        """Fit what is set once, from data, before the first update."""
        ...

    def trace(self, batch: Batch, noise: N) -> T:
        """Everything that losses and metrics are made of."""
        ...

    def losses(self, trace: T) -> dict[str, Float[Tensor, "B T"]]:
        """Each loss a step, unweighted."""
        ...

    def total(self, losses: dict[str, Float[Tensor, "B T"]]) -> Float[Tensor, ""]:
        """The weighted sum of the losses' means: what is minimized."""
        ...

    def metrics(self, trace: T, losses: dict[str, Tensor]) -> Metrics:
        """What is logged; scalars that stay on their device."""
        ...
