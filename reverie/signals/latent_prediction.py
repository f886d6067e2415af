"""Prediction between the encodings of consecutive steps: forward, and inverse.

    forward   ||f(phi(o_t), a_t) - phi(o_{t+1})||^2
    inverse   -ln p(a_t | z_t, z_{t+1})                 Agrawal 2016; ICM, Pathak 2017, Eq. 2

A constant phi solves the forward prediction trivially: the encodings collapse. Add a signal that prevents this, such as
the inverse prediction, `contrastive`, `reconstruction`, `vicreg` or `sigreg`. Usual weights beside the inverse
prediction are 0.1 of its own (Agrawal 2016), or 0.2 with an inverse of 0.8 (ICM).
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.checks import at_least
from reverie.math.distributions import isotropic_log_prob, mean_square
from reverie.nn.mlp import MLP, MLPConfig
from reverie.signals.base import SignalConfig
from reverie.signals.multi_step import future_values, masked_mean_per_step, predict_multi_step, valid_targets
from reverie.spaces import EnvSpec
from reverie.types import Trace


@dataclass(frozen=True)
class LatentPredictionConfig(SignalConfig):
    """Predictions of 1..D steps in the space of features."""

    steps: int = field(default=1, metadata=at_least(1))
    """Longest prediction D, in agent steps; each of 1..D steps has a loss."""
    stop_gradient: Literal["none", "target"] = "none"
    """Whether the gradient stops at the target."""

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


@dataclass(frozen=True)
class InverseConfig(SignalConfig):
    """The inverse model."""

    mlp: MLPConfig = field(default_factory=MLPConfig)
    """Size of the head."""
    average: bool = False
    """Whether the loss of continuous actions is the mean squared error over their numbers, instead of nats."""

    def build(self, spec: EnvSpec, feature_size: int) -> "Inverse":
        return Inverse(self, spec, feature_size)


class Inverse(nn.Module):
    """`-ln p(a_t | z_t, z_{t+1})` in nats, in column t + 1, for pairs within one episode.

    p is `N(g(z_t, z_{t+1}), 1)` for continuous actions, categorical with logits g for discrete ones. With `average` it
    is the mean over the numbers of a continuous action of `(a_t - g(z_t, z_{t+1}))^2`.
    """

    def __init__(self, config: InverseConfig, spec: EnvSpec, feature_size: int) -> None:
        super().__init__()
        self.discrete, self.average = spec.action.discrete, config.average
        self.head = MLP(config.mlp, 2 * feature_size, spec.action.size)

    def predict(self, features: Float[Tensor, "*b F"], then: Float[Tensor, "*b F"]) -> Float[Tensor, "*b A"]:
        """Return the mean action, or the probabilities of discrete actions, between two consecutive encodings."""
        output = self.head(torch.cat([features, then], dim=-1))
        return output.softmax(-1) if self.discrete else output

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        output = self.head(torch.cat([trace.features, future_values(trace.features, 1)[:, :, 0]], dim=-1))
        action = trace.batch.action
        if self.discrete:
            error = -(action * output.log_softmax(-1)).sum(-1)
        else:
            error = mean_square(action, output) if self.average else -isotropic_log_prob(action, output)
        return masked_mean_per_step(error[..., None], valid_targets(trace.batch.is_first, 1))
