"""Sketched isotropic Gaussian regularization: match encodings to a standard normal (LeJEPA, Balestriero 2025).

    (1/K) sum_k EP({u_k^T z_n}),    EP the Epps-Pulley statistic of `math.normality`, u_k random directions

A distribution whose every projection is N(0, 1) is N(0, I) (Cramer-Wold), so this fixes the scale too. The
weight w(t) = exp(-t^2 / 2), the nodes and their range are those of the published code.

Departures: the directions are drawn once, when the signal is built, and saved with it; the paper draws them at every
step. K projections determine a covariance only if K >= F (F + 1) / 2. The published 256 suffice up to F = 22; a larger
latent needs more.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.checks import at_least, positive
from reverie.math.normality import epps_pulley
from reverie.signals.base import SignalConfig
from reverie.spaces import EnvSpec
from reverie.types import Trace


@dataclass(frozen=True)
class SIGRegConfig(SignalConfig):
    """`slices` K directions; `points` nodes of the integral over t, in [0, `reach`]."""

    slices: int = field(default=256, metadata=at_least(1))
    points: int = field(default=17, metadata=at_least(2))
    reach: float = field(default=3.0, metadata=positive())

    def build(self, spec: EnvSpec, feature_size: int) -> "SIGReg":
        return SIGReg(self, feature_size)


class SIGReg(nn.Module):
    """One number a batch, repeated for every step. The statistic grows with the number of frames, B T."""

    directions: Tensor

    def __init__(self, config: SIGRegConfig, feature_size: int) -> None:
        super().__init__()
        self.config = config
        directions = torch.randn(feature_size, config.slices)
        self.register_buffer("directions", directions / directions.norm(dim=0))

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        projected = trace.features.flatten(0, 1) @ self.directions
        statistic = epps_pulley(projected, self.config.points, self.config.reach)
        return statistic.mean().expand(trace.features.shape[:2])
