"""Latent prediction: the predicted features must match the encoded ones.

    || f(phi(o_t), a_t) - phi(o_{t+1}) ||^2

On its own it has a trivial solution, a constant phi: the encodings collapse. Add a signal that prevents this, such as
`inverse`, `contrastive`, `reconstruction`, `vicreg` or `sigreg`.
"""

from dataclasses import dataclass, field
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.checks import at_least
from reverie.signals.base import SignalConfig
from reverie.signals.multi_step import masked_mean_per_step, predict_multi_step
from reverie.spaces import EnvSpec
from reverie.types import Trace


@dataclass(frozen=True)
class LatentPredictionConfig(SignalConfig):
    """Predictions of 1..`steps` steps, each with a loss; `target` stops the gradient into the target."""

    steps: int = field(default=1, metadata=at_least(1))
    stop_gradient: Literal["none", "target"] = "none"

    def build(self, spec: EnvSpec, feature_size: int) -> "LatentPrediction":
        return LatentPrediction(self)


class LatentPrediction(nn.Module):
    """`||zhat - z||^2`, summed over features, in the target's column (`signals.multi_step.masked_mean_per_step`)."""

    def __init__(self, config: LatentPredictionConfig) -> None:
        super().__init__()
        self.config = config

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        predictions = predict_multi_step(trace, self.config.steps)
        target = predictions.target.detach() if self.config.stop_gradient == "target" else predictions.target
        return masked_mean_per_step((predictions.features - target).square().sum(-1), predictions.valid)
