"""Regularization of the encodings: VICReg (Bardes 2022), SIGReg (LeJEPA, Balestriero 2025), smoothness (Sobal 2025).

    variance    (1/F) sum_j max(0, gamma - sqrt(Var z_j + eps))        Bardes 2022, Eq. 1 and 2
    covariance  (1/F) sum_{i != j} C_ij^2                              Eq. 3 and 4
    SIGReg      (1/K) sum_k EP({u_k^T z_n})                            EP: `math.normality`, u_k: random directions
    smoothness  ||z_{t+1} - z_t||^2                                    Sobal 2025

VICReg and SIGReg prevent collapse beside a latent prediction, which replaces VICReg's invariance term. Smoothness does
not: a constant encoding minimizes it. PLDM (Sobal 2025) is `latent_prediction` with `vicreg`, `smoothness`, `inverse`.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.checks import at_least, positive
from reverie.math import ranks
from reverie.math.normality import epps_pulley
from reverie.math.spectra import covariance
from reverie.signals.base import SignalConfig
from reverie.signals.multi_step import future_values, masked_mean_per_step, valid_targets
from reverie.spaces import EnvSpec
from reverie.types import Metrics, Trace


@dataclass(frozen=True)
class VICRegConfig(SignalConfig):
    """Variance and covariance, with the published weights."""

    variance: float = field(default=25.0, metadata=at_least(0))
    """Weight of the variance term."""
    covariance: float = field(default=1.0, metadata=at_least(0))
    """Weight of the covariance term."""
    gamma: float = field(default=1.0, metadata=positive())
    """Target standard deviation of each dimension."""
    eps: float = field(default=1e-4, metadata=at_least(0))
    """Number added to a variance before the root, for a finite gradient at 0."""

    def build(self, spec: EnvSpec, feature_size: int) -> "VICReg":
        return VICReg(self)


class VICReg(nn.Module):
    """The weighted sum of variance and covariance: one number per batch, repeated for every step.

    Departures: both terms are over all frames of the batch; PLDM computes them for each column.
    """

    def __init__(self, config: VICRegConfig) -> None:
        super().__init__()
        self.config = config

    def metrics(self, trace: Trace) -> Metrics:
        """Return the two terms, unweighted; the batch needs two or more frames."""
        frames = ranks.gather(trace.features.flatten(0, 1))
        matrix, size = covariance(frames), frames.shape[1]
        diagonal = matrix.diagonal()
        return {
            "variance": (self.config.gamma - (diagonal + self.config.eps).sqrt()).relu().mean(),
            "covariance": (matrix.square().sum() - diagonal.square().sum()) / size,
        }

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        terms = self.metrics(trace)
        total = self.config.variance * terms["variance"] + self.config.covariance * terms["covariance"]
        return total.expand(trace.features.shape[:2])


@dataclass(frozen=True)
class SIGRegConfig(SignalConfig):
    """Match random projections of the encodings to a standard normal."""

    slices: int = field(default=256, metadata=at_least(1))
    """Number K of directions."""
    points: int = field(default=17, metadata=at_least(2))
    """Number of nodes of the integral over t."""
    reach: float = field(default=3.0, metadata=positive())
    """Upper end of the integral over t, in [0, `reach`]."""

    def build(self, spec: EnvSpec, feature_size: int) -> "SIGReg":
        return SIGReg(self, feature_size)


class SIGReg(nn.Module):
    """The mean Epps-Pulley statistic of K projections: one number per batch, repeated for every step.

    A distribution whose every projection is N(0, 1) is N(0, I) (Cramer-Wold), so this fixes the scale too. The weight
    w(t) = exp(-t^2 / 2), the nodes and their range are those of the published code. The statistic grows with the number
    of frames, B T.

    Departures: the directions are drawn once, when the signal is built, and saved with it; the paper draws them at
    every step. K projections determine a covariance only if K >= F (F + 1) / 2. The published 256 suffice up to F = 22.
    """

    directions: Tensor

    def __init__(self, config: SIGRegConfig, feature_size: int) -> None:
        super().__init__()
        self.config = config
        directions = torch.randn(feature_size, config.slices)
        self.register_buffer("directions", directions / directions.norm(dim=0))

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        projection = ranks.gather(trace.features.flatten(0, 1)) @ self.directions
        statistic = epps_pulley(projection, self.config.points, self.config.reach)
        return statistic.mean().expand(trace.features.shape[:2])


@dataclass(frozen=True)
class SmoothnessConfig(SignalConfig):
    """Temporal smoothness; it has no settings."""

    def build(self, spec: EnvSpec, feature_size: int) -> "Smoothness":
        return Smoothness()


class Smoothness(nn.Module):
    """`||z_{t+1} - z_t||^2`, summed over features, in column t + 1, for pairs within one episode."""

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        change = future_values(trace.features, 1) - trace.features[:, :, None]
        return masked_mean_per_step(change.square().sum(-1), valid_targets(trace.batch.is_first, 1))
