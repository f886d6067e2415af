"""Temporal smoothness: encodings that follow one another are near (PLDM, Sobal 2025).

Solved by a constant encoding, as `forward` is; PLDM has it beside `forward`, `vicreg` and `inverse`.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from reverie.signals.multi_step import future_values, masked_mean_per_step, valid_targets
from reverie.spaces import EnvSpec
from reverie.types import Trace


@dataclass(frozen=True)
class SmoothnessConfig:
    """Nothing to choose."""

    def build(self, spec: EnvSpec, feature_size: int) -> "Smoothness":
        return Smoothness()


class Smoothness(nn.Module):
    """`||z_{t+1} - z_t||^2`, summed over features, in the column t + 1; pairs lie in one episode."""

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        moved = future_values(trace.features, 1) - trace.features[:, :, None]
        return masked_mean_per_step(moved.square().sum(-1), valid_targets(trace.batch.is_first, 1))
