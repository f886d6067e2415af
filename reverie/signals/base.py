"""The contract of a learning signal: one reason for a world model to represent something."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from reverie.types import Metrics, Trace


@runtime_checkable
class Signal(Protocol):
    """May own heads (a decoder, a reward network, an inverse model); reads everything else from the trace."""

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        """The loss of each step, unreduced and unweighted, in nats where it is a likelihood."""
        ...


@runtime_checkable
class HasMetrics(Signal, Protocol):
    """A signal with more to tell than its loss; having `metrics` is all that it takes."""

    def metrics(self, trace: Trace) -> Metrics:
        """What is logged as `NAME/metric`, NAME being the signal's in the model; called without gradients."""
        ...
