"""Temporal smoothness: penalize the distance of consecutive encodings (PLDM, Sobal 2025).

A constant encoding minimizes it, as for `latent_prediction`. PLDM adds `latent_prediction`, `vicreg` and `inverse`.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from reverie.signals.base import SignalConfig
from reverie.signals.multi_step import future_values, masked_mean_per_step, valid_targets
from reverie.spaces import EnvSpec
from reverie.types import Trace


@dataclass(frozen=True)
class SmoothnessConfig(SignalConfig):
    """No settings."""

    def build(self, spec: EnvSpec, feature_size: int) -> "Smoothness":
        return Smoothness()


class Smoothness(nn.Module):
    """`||z_{t+1} - z_t||^2`, summed over features, in column t + 1, for pairs within one episode."""

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        change = future_values(trace.features, 1) - trace.features[:, :, None]
        return masked_mean_per_step(change.square().sum(-1), valid_targets(trace.batch.is_first, 1))
