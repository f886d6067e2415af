"""Inverse model: which action led from one encoding to the next (Agrawal 2016; ICM, Pathak 2017, Eq. 2).

The latent is trained to keep what the agent can control. Usual weights beside the forward prediction:
forward 0.1 of the inverse (Agrawal 2016), or inverse 0.8 and forward 0.2 (ICM).
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.math.distributions import isotropic_log_prob
from reverie.nn.mlp import MLP, MLPConfig
from reverie.signals.base import SignalConfig
from reverie.signals.multi_step import future_values, masked_mean_per_step, valid_targets
from reverie.spaces import EnvSpec
from reverie.types import Trace


@dataclass(frozen=True)
class InverseConfig(SignalConfig):
    """The head's size."""

    mlp: MLPConfig = field(default_factory=MLPConfig)

    def build(self, spec: EnvSpec, feature_size: int) -> "Inverse":
        return Inverse(self, spec, feature_size)


class Inverse(nn.Module):
    """`-ln p(a_t | z_t, z_{t+1})` in nats, in column t + 1, for pairs within one episode.

    p is `N(g(z_t, z_{t+1}), 1)` for continuous actions, categorical with logits g for discrete ones.
    """

    def __init__(self, config: InverseConfig, spec: EnvSpec, feature_size: int) -> None:
        super().__init__()
        self.discrete = spec.action.discrete
        self.head = MLP(config.mlp, 2 * feature_size, spec.action.size)

    def predict(self, features: Float[Tensor, "*b F"], then: Float[Tensor, "*b F"]) -> Float[Tensor, "*b A"]:
        """The mean action, or the probabilities of discrete actions, between two consecutive encodings."""
        output = self.head(torch.cat([features, then], dim=-1))
        return output.softmax(-1) if self.discrete else output

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        output = self.head(torch.cat([trace.features, future_values(trace.features, 1)[:, :, 0]], dim=-1))
        action = trace.batch.action
        nats = (action * output.log_softmax(-1)).sum(-1) if self.discrete else isotropic_log_prob(action, output)
        return masked_mean_per_step(-nats[..., None], valid_targets(trace.batch.is_first, 1))
