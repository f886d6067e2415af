"""The contract of a model: a world model of sequences, or a generative model of single images.

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
        """Draw the standard noise of one trace of `batch` sequences of `length`."""
        ...

    def calibrate(self, batch: Batch) -> None:
        """Set the statistics of normalization from data, once, before the first update."""
        ...

    def trace(self, batch: Batch, noise: N) -> T:
        """Compute everything that losses and metrics need."""
        ...

    def losses(self, trace: T) -> dict[str, Float[Tensor, "B T"]]:
        """The losses of each step, unweighted."""
        ...

    def total(self, losses: dict[str, Float[Tensor, "B T"]]) -> Float[Tensor, ""]:
        """The objective to minimize: the weighted sum of the losses' means."""
        ...

    def metrics(self, trace: T, losses: dict[str, Tensor]) -> Metrics:
        """What is logged: scalars that stay on their device."""
        ...
