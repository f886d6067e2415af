"""The contract of what learns to predict: a world model of sequences, or a generative model of single images.

Batch -> trace -> losses {name: (B, T)} -> total -> update
"""

from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.types import Batch, Metrics


class Model(Protocol):
    """A module with a state dict; its losses are a dict whose names must equal the dict of its weights."""

    def noise(self, batch: int, length: int, generator: torch.Generator) -> Any:
        """Standard noise of one trace of `batch` sequences of `length`."""
        ...

    def calibrate(self, batch: Batch) -> None:
        """Fit what is set once, from data, before the first update."""
        ...

    def trace(self, batch: Batch, noise: Any) -> Any:
        """Everything that losses and metrics are made of."""
        ...

    def losses(self, trace: Any) -> dict[str, Float[Tensor, "B T"]]:
        """Each loss a step, unweighted."""
        ...

    def total(self, losses: dict[str, Float[Tensor, "B T"]]) -> Float[Tensor, ""]:
        """The weighted sum of the losses' means: what is minimized."""
        ...

    def metrics(self, trace: Any, losses: dict[str, Tensor]) -> Metrics:
        """What is logged; scalars that stay on their device."""
        ...
