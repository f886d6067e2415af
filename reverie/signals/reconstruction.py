"""Decoding observations, from the features of the same step or from predicted features.

    -ln N(o_t; decode(features_t), std)                   reconstruction (Hafner 2019, Eq. 3)
    -ln N(o_{t+1}; decode(f(phi(o_t), a_t)), std)         prediction in pixels, the visual forward model of Yan 2020

The latent must hold everything that an image shows, a static background too.

Departures: the forward model of Yan 2020 has skip connections from encoder to decoder; here everything passes through
the latent.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from reverie import tree
from reverie.config.checks import at_least, positive
from reverie.nn.conv import ConvConfig
from reverie.nn.decoder import Decoder
from reverie.nn.image import ImageConfig
from reverie.nn.mlp import MLPConfig
from reverie.signals.base import SignalConfig
from reverie.signals.multi_step import masked_mean_per_step, predict_multi_step
from reverie.spaces import EnvSpec
from reverie.types import Trace


@dataclass(frozen=True)
class DecodingConfig(SignalConfig, abstract=True):
    """Decoders of observations, and their likelihood."""

    image: ImageConfig = field(default_factory=ConvConfig)
    """Decoder of each image."""
    vector: MLPConfig = field(default_factory=MLPConfig)
    """Decoder of each vector."""
    std: float = field(default=1.0, metadata=positive())
    """Std of the normal likelihood of images, as networks see them. Half of it makes an error cost 4 times.

    DreamerV3's squared error is, up to a constant, that of a std of `sqrt(1/2)`."""
    vector_std: float = field(default=1.0, metadata=positive())
    """The same of vectors. They have few numbers, so an error must cost more than that of a pixel."""
    shared: bool = False
    """Whether one network decodes all vectors together, as in DreamerV3, instead of one for each."""
    average: bool = False
    """Whether the loss is the mean squared error of each observation, instead of nats, which grow with its size.

    Of normalized images it is the fraction of their variance that is not explained, whatever their size and contrast.
    """


class Decoding(Decoder):
    """The decoder that a config describes."""

    def __init__(self, config: DecodingConfig, spec: EnvSpec, feature_size: int) -> None:
        c = config
        super().__init__(c.image, c.vector, c.std, c.vector_std, c.average, spec, feature_size, c.shared)


@dataclass(frozen=True)
class ReconstructionConfig(DecodingConfig):
    """Reconstruction of every observation from the features of its step."""

    every: int = field(default=1, metadata=at_least(1))
    """Only every k-th step of a sequence is decoded, and counts k times. 1 is published, more is faster."""

    def build(self, spec: EnvSpec, feature_size: int) -> Decoder:
        return Reconstruction(self, spec, feature_size)


class Reconstruction(Decoding):
    """`-ln N(o_t; decode(features_t), std)`, summed over all observations, in nats per step; or the mean square."""

    def __init__(self, config: ReconstructionConfig, spec: EnvSpec, feature_size: int) -> None:
        super().__init__(config, spec, feature_size)
        self.every = config.every

    def reconstruct(self, features: Float[Tensor, "*b F"]) -> dict[str, Tensor]:
        """Return the mean of each observation, normalized as networks see it."""
        return self.decode(features)

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        """Steps that are not decoded have a loss of 0; the mean over all steps is an unbiased estimate."""
        features, obs = tree.every_kth((trace.features, trace.obs), self.every, dim=1)
        error = self.error(features, obs)
        batch, length = trace.features.shape[:2]
        loss = error.new_zeros(batch, length)
        tree.every_kth(loss, self.every, dim=1).copy_(error * (length / error.shape[1]))
        return loss


@dataclass(frozen=True)
class PixelPredictionConfig(DecodingConfig):
    """Prediction of observations 1..D steps ahead."""

    steps: int = field(default=1, metadata=at_least(1))
    """Longest prediction D, in agent steps; each of 1..D steps has a loss."""

    def build(self, spec: EnvSpec, feature_size: int) -> Decoder:
        return PixelPrediction(self, spec, feature_size)


class PixelPrediction(Decoding):
    """The error of each observation given the features predicted for it, in its column."""

    def __init__(self, config: PixelPredictionConfig, spec: EnvSpec, feature_size: int) -> None:
        super().__init__(config, spec, feature_size)
        self.steps = config.steps

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        predictions = predict_multi_step(trace, self.steps)
        length = predictions.valid.shape[1]
        errors = []
        for d in range(1, min(self.steps, length - 1) + 1):  # no target lies beyond the last column
            obs = {name: value[:, d:] for name, value in trace.obs.items()}
            errors.append(F.pad(self.error(predictions.features[:, : length - d, d - 1], obs), (0, d)))
        beyond = [torch.zeros_like(trace.features[..., 0])] * (self.steps - len(errors))
        return masked_mean_per_step(torch.stack(errors + beyond, dim=2), predictions.valid)
