"""Autoencoding: decode every observation from the features (Hafner 2019, Eq. 3, the reconstruction term)."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.encoders.conv import ConvConfig
from reverie.encoders.image import ImageConfig, image_decoder
from reverie.encoders.mlp import MLP, MLPConfig
from reverie.envs.adapter import EnvSpec
from reverie.math.distributions import isotropic_log_prob
from reverie.types import Trace


@dataclass(frozen=True)
class ReconstructionConfig:
    """One decoder a kind of observation; only those that the environment has are built.

    `std` is the likelihood's, in the unit of prepared observations (`encoders.standardise`). Halving it makes what
    the observations tell count four times as many nats against divergence and reward.
    """

    image: ImageConfig = field(default_factory=ConvConfig)
    vector: MLPConfig = field(default_factory=MLPConfig)
    std: float = 1.0

    def build(self, spec: EnvSpec, feature_size: int) -> "Reconstruction":
        return Reconstruction(self, spec, feature_size)


class Reconstruction(nn.Module):
    """`-ln N(o_t; decode(features_t), std)`, summed over everything observed, in nats a step."""

    def __init__(self, config: ReconstructionConfig, spec: EnvSpec, feature_size: int) -> None:
        super().__init__()
        self.std = config.std
        self.heads = nn.ModuleDict()
        for name, space in sorted(spec.obs.items()):
            if space.is_image:
                self.heads[name] = image_decoder(config.image, feature_size, space.shape)
            else:
                self.heads[name] = MLP(config.vector, feature_size, space.shape[0])

    def decode(self, features: Float[Tensor, "*b F"]) -> dict[str, Tensor]:
        """The mean of each observation, in the form that `encoders.standardise` gives."""
        return {name: head(features) for name, head in self.heads.items()}

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        means = self.decode(trace.features)
        nats = [
            -isotropic_log_prob(trace.obs[name].flatten(2), mean.flatten(2), self.std) for name, mean in means.items()
        ]
        return torch.stack(nats).sum(0)
