"""Autoencoding: decode every observation from the features (Hafner 2019, Eq. 3, the reconstruction term)."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from reverie.nn.conv import ConvConfig
from reverie.nn.decoder import Decoder
from reverie.nn.image import ImageConfig
from reverie.nn.mlp import MLPConfig
from reverie.signals.base import SignalConfig
from reverie.spaces import EnvSpec
from reverie.types import Trace


@dataclass(frozen=True)
class ReconstructionConfig(SignalConfig):
    """One decoder for each observation of the environment.

    `std`: of the normal likelihood, in the unit of normalized observations (`nn.normalize`). Halving it makes an error
    cost four times as many nats, relative to divergence and reward.
    """

    image: ImageConfig = field(default_factory=ConvConfig)
    vector: MLPConfig = field(default_factory=MLPConfig)
    std: float = 1.0

    def build(self, spec: EnvSpec, feature_size: int) -> "Reconstruction":
        return Reconstruction(self, spec, feature_size)


class Reconstruction(Decoder):
    """`-ln N(o_t; decode(features_t), std)`, summed over all observations, in nats a step."""

    def __init__(self, config: ReconstructionConfig, spec: EnvSpec, feature_size: int) -> None:
        super().__init__(config.image, config.vector, config.std, spec, feature_size)

    def reconstruct(self, features: Float[Tensor, "*b F"]) -> dict[str, Tensor]:
        """The mean of each observation, normalized as networks see it."""
        return self.decode(features)

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        return self.nats(trace.features, trace.obs)
