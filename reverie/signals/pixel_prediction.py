"""Pixel-space forward model: decode predicted features and compare them with the next observation.

    -ln N(o_{t+1}; decode(f(phi(o_t), a_t)), std)

The latent must hold everything that the next image shows, a static background too. This is the baseline "visual forward
model" of Yan 2020.

Departures: theirs has skip connections from encoder to decoder; here everything passes through the latent.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from reverie.config.checks import at_least
from reverie.nn.conv import ConvConfig
from reverie.nn.decoder import Decoder
from reverie.nn.image import ImageConfig
from reverie.nn.mlp import MLPConfig
from reverie.signals.base import SignalConfig
from reverie.signals.multi_step import masked_mean_per_step, predict_multi_step
from reverie.spaces import EnvSpec
from reverie.types import Trace


@dataclass(frozen=True)
class PixelPredictionConfig(SignalConfig):
    """Decoders and `std` as in `reconstruction.ReconstructionConfig`; predictions of 1..`steps` decisions."""

    image: ImageConfig = field(default_factory=ConvConfig)
    vector: MLPConfig = field(default_factory=MLPConfig)
    std: float = 1.0
    steps: int = field(default=1, metadata=at_least(1))

    def build(self, spec: EnvSpec, feature_size: int) -> "PixelPrediction":
        return PixelPrediction(self, spec, feature_size)


class PixelPrediction(Decoder):
    """The likelihood of each observation given what was predicted for it, in nats, in its column.

    `decode` of predicted features is the pixel-space forward model.
    """

    def __init__(self, config: PixelPredictionConfig, spec: EnvSpec, feature_size: int) -> None:
        super().__init__(config.image, config.vector, config.std, spec, feature_size)
        self.steps = config.steps

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        predictions = predict_multi_step(trace, self.steps)
        length = predictions.valid.shape[1]
        nats = []
        for d in range(1, min(self.steps, length - 1) + 1):  # no target lies beyond the last column
            obs = {name: value[:, d:] for name, value in trace.obs.items()}
            nats.append(F.pad(self.nats(predictions.features[:, : length - d, d - 1], obs), (0, d)))
        beyond = [torch.zeros_like(trace.features[..., 0])] * (self.steps - len(nats))
        return masked_mean_per_step(torch.stack(nats + beyond, dim=2), predictions.valid)
