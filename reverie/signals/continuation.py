"""Continuation prediction: the probability that this step is not terminal."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor, nn

from reverie.math.distributions import bernoulli_log_prob
from reverie.nn.mlp import MLP, MLPConfig
from reverie.signals.base import SignalConfig
from reverie.spaces import EnvSpec
from reverie.types import Trace


@dataclass(frozen=True)
class ContinuationConfig(SignalConfig):
    """The head's size."""

    mlp: MLPConfig = field(default_factory=MLPConfig)

    def build(self, spec: EnvSpec, feature_size: int) -> "Continuation":
        return Continuation(self, feature_size)


class Continuation(nn.Module):
    """`-ln Bernoulli(1 - is_terminal_t; sigmoid(head(features_t)))`; a time limit is not terminal."""

    def __init__(self, config: ContinuationConfig, feature_size: int) -> None:
        super().__init__()
        self.head = MLP(config.mlp, feature_size, 1)

    def predict_continuation(self, features: Float[Tensor, "*b F"]) -> Float[Tensor, "*b"]:
        """The probability that the step is not terminal, in (0, 1)."""
        return self.head(features)[..., 0].sigmoid()

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        target = (~trace.batch.is_terminal).to(trace.features.dtype)
        return -bernoulli_log_prob(self.head(trace.features)[..., 0], target)
