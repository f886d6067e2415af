"""Variance and covariance regularization of the encodings.

    variance    (1/F) sum_j max(0, gamma - sqrt(Var z_j + eps))        Bardes 2022 (VICReg), Eq. 1 and 2
    covariance  (1/F) sum_{i != j} C_ij^2                              Eq. 3 and 4

It prevents collapse beside a latent prediction, which replaces VICReg's invariance term. With `inverse` and
`smoothness` the four are PLDM (Sobal 2025).

Departures: both terms are over all frames of the batch; PLDM computes them for each column.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from reverie.math.spectra import covariance
from reverie.signals.base import SignalConfig
from reverie.spaces import EnvSpec
from reverie.types import Metrics, Trace


@dataclass(frozen=True)
class VICRegConfig(SignalConfig):
    """Weights of the two parts (as published); `gamma`: the target standard deviation of each dimension."""

    variance: float = 25.0
    covariance: float = 1.0
    gamma: float = 1.0
    eps: float = 1e-4

    def build(self, spec: EnvSpec, feature_size: int) -> "VICReg":
        return VICReg(self)


class VICReg(nn.Module):
    """One number a batch, repeated for every step."""

    def __init__(self, config: VICRegConfig) -> None:
        super().__init__()
        self.config = config

    def parts(self, frames: Float[Tensor, "N F"]) -> dict[str, Tensor]:
        """`variance` and `covariance` of N >= 2 frames, unweighted."""
        matrix, size = covariance(frames), frames.shape[1]
        diagonal = matrix.diagonal()
        return {
            "variance": (self.config.gamma - (diagonal + self.config.eps).sqrt()).relu().mean(),
            "covariance": (matrix.square().sum() - diagonal.square().sum()) / size,
        }

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        parts = self.parts(trace.features.flatten(0, 1))
        total = self.config.variance * parts["variance"] + self.config.covariance * parts["covariance"]
        return total.expand(trace.features.shape[:2])

    def metrics(self, trace: Trace) -> Metrics:
        """The two parts, unweighted."""
        return self.parts(trace.features.flatten(0, 1))
