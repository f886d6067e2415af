"""Prediction of the next embedding: a world model without a decoder, whose loss looks ahead (NE-Dreamer, 2026).

    sum_i (1 - C_ii)^2 + lambda sum_{i != j} C_ij^2      C: correlation of f(prior features_t) with sg(e_t)

The prior of step t knows the past and the last action, but not the observation of t. So memory is learned where an
observation alone does not determine the next one. Embeddings cannot collapse: each dimension must vary, and differ
from the others.

Departures: NE-Dreamer (Bredis 2026) predicts by a causal transformer over the latents. Here the memory is that of the
dynamics, as in Dreamer-CDP (Hauri 2026), which compares by cosine similarity.
"""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.checks import at_least
from reverie.nn.mlp import MLP, MLPConfig
from reverie.signals.base import SignalConfig
from reverie.signals.redundancy_reduction import correlation_terms
from reverie.spaces import EnvSpec
from reverie.types import Metrics, Trace


@dataclass(frozen=True)
class NextEmbeddingConfig(SignalConfig):
    """Prediction of the next embedding from the prior."""

    mlp: MLPConfig = field(default_factory=lambda: MLPConfig(1, 256, "silu", norm="rms", init="truncated_normal"))
    """The predictor f."""
    invariance: float = field(default=0.05, metadata=at_least(0))
    """Weight of the diagonal: each dimension of the embedding correlates with its prediction."""
    redundancy: float = field(default=2.5e-5, metadata=at_least(0))
    """Weight of the rest: other dimensions do not."""

    def build_with_embed(self, spec: EnvSpec, feature_size: int, embed_size: int) -> "NextEmbedding":
        return NextEmbedding(self, feature_size, embed_size)


class NextEmbedding(nn.Module):
    """The weighted sum of both terms over steps with a step before them in the same episode and sequence."""

    def __init__(self, config: NextEmbeddingConfig, feature_size: int, embed_size: int) -> None:
        super().__init__()
        self.config = config
        self.predictor = MLP(config.mlp, feature_size, embed_size)

    def metrics(self, trace: Trace) -> Metrics:
        """Return the two terms, unweighted."""
        counts = ~trace.batch.is_first[:, 1:]
        prediction = self.predictor(trace.dynamics.features(trace.prior)[:, 1:])
        return correlation_terms(prediction, trace.embed[:, 1:], counts.to(prediction.dtype))

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        terms, config = self.metrics(trace), self.config
        total = config.invariance * terms["invariance"] + config.redundancy * terms["redundancy"]
        return total.expand(trace.features.shape[:2])
