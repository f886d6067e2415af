"""The base of a model: a world model of sequences, or a generative model of single images.

Batch -> trace -> losses {name: (B, T)} -> total -> update
"""

from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.nn.normalize import Normalize
from reverie.types import Batch, Metrics

N = TypeVar("N")
T = TypeVar("T")


class Model(nn.Module, Generic[N, T]):
    """`N` is the type of the noise of a model, `T` the type of its trace."""

    normalize: Normalize
    weights: dict[str, float]
    """The weight of each loss. The names must equal those of `losses`."""

    def noise(self, batch: int, length: int, generator: torch.Generator) -> N:
        """Draw the standard noise of one trace of `batch` sequences of `length` steps."""
        raise NotImplementedError

    def calibrate(self, batch: Batch) -> None:
        """Set the statistics of normalization from data, once, before the first update."""
        self.normalize.calibrate(batch.obs)

    def trace(self, batch: Batch, noise: N | None) -> T:
        """Compute everything that losses and metrics need. Without noise, distributions give their means."""
        raise NotImplementedError

    def losses(self, trace: T) -> dict[str, Float[Tensor, "B T"]]:
        """Return the losses of each step, unweighted."""
        raise NotImplementedError

    def total(self, losses: dict[str, Float[Tensor, "B T"]]) -> Float[Tensor, ""]:
        """Return the objective to minimize: the weighted sum of the mean losses."""
        return torch.stack([self.weights[name] * loss.mean() for name, loss in losses.items()]).sum()

    def metrics(self, trace: T, losses: dict[str, Tensor]) -> Metrics:
        """Return scalars to log. They stay on their device."""
        raise NotImplementedError
