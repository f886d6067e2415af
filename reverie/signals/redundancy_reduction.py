"""Redundancy reduction between latent and embedding: a world model without a decoder (R2-Dreamer, ICLR 2026).

    sum_i (1 - C_ii)^2 + lambda sum_{i != j} C_ij^2         C: correlation of p(features_t) with sg(e_t) over a batch

This is the loss of Barlow Twins (Zbontar 2021, Eq. 1) between a linear projection p of the features and the embedding
of the same step. Every dimension of the embedding must be read from the latent, and no two must say the same. No
gradient reaches the embedding as a target, so it cannot become easy to predict.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.checks import at_least
from reverie.math import ranks
from reverie.math.spectra import cross_correlation
from reverie.nn.mlp import initialize
from reverie.signals.base import SignalConfig
from reverie.spaces import EnvSpec
from reverie.types import Metrics, Trace


@dataclass(frozen=True)
class RedundancyReductionConfig(SignalConfig):
    """Barlow Twins of features and embedding, with the published weights."""

    invariance: float = field(default=0.05, metadata=at_least(0))
    """Weight of the diagonal: each dimension of the embedding correlates with its projection."""
    redundancy: float = field(default=2.5e-5, metadata=at_least(0))
    """Weight of the rest: other dimensions do not; the published factor lambda is 5e-4."""

    def build_with_embed(self, spec: EnvSpec, feature_size: int, embed_size: int) -> "RedundancyReduction":
        return RedundancyReduction(self, feature_size, embed_size)


class RedundancyReduction(nn.Module):
    """The weighted sum of both terms: one number per batch, repeated for every step."""

    def __init__(self, config: RedundancyReductionConfig, feature_size: int, embed_size: int) -> None:
        super().__init__()
        self.config = config
        self.projection = nn.Linear(feature_size, embed_size, bias=False)
        initialize(self)

    def metrics(self, trace: Trace) -> Metrics:
        """Return the two terms, unweighted."""
        return correlation_terms(self.projection(trace.features), trace.embed, torch.ones_like(trace.batch.reward))

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        terms, config = self.metrics(trace), self.config
        total = config.invariance * terms["invariance"] + config.redundancy * terms["redundancy"]
        return total.expand(trace.features.shape[:2])


def correlation_terms(
    prediction: Float[Tensor, "B T E"], embed: Float[Tensor, "B T E"], weight: Float[Tensor, "B T"]
) -> Metrics:
    """Return both terms of the correlation of predictions with embeddings, which are constants."""
    columns = (prediction.flatten(0, 1), embed.detach().flatten(0, 1), weight.flatten())
    matrix = cross_correlation(*(ranks.gather(x) for x in columns))
    diagonal = matrix.diagonal()
    return {
        "invariance": (1 - diagonal).square().sum(),
        "redundancy": matrix.square().sum() - diagonal.square().sum(),
    }
