"""Encoders and decoders of images, by convolutions or, for small images, by dense layers."""

from itertools import pairwise
from math import prod

from jaxtyping import Float
from torch import Tensor, nn

from reverie.nn.conv import ConvConfig, ConvDecoder, ConvEncoder
from reverie.nn.mlp import ACTIVATIONS, MLP, MLPConfig, initialize

ImageConfig = ConvConfig | MLPConfig
"""How images are encoded and decoded; an `MLPConfig` takes all pixels as one vector."""


class DenseEncoder(nn.Module):
    """Images `(*b, height, width, C)` to vectors `(*b, size_out)`, `size_out` the last layer's units."""

    def __init__(self, config: MLPConfig, shape: tuple[int, ...]) -> None:
        super().__init__()
        stack: list[nn.Module] = []
        for before, after in pairwise([prod(shape)] + [config.units] * config.layers):
            stack += [nn.Linear(before, after), ACTIVATIONS[config.activation]()]
        self.net = nn.Sequential(*stack)
        self.size_out = config.units if config.layers else prod(shape)
        initialize(self)

    def forward(self, images: Float[Tensor, "*b height width C"]) -> Float[Tensor, "*b E"]:
        return self.net(images.flatten(-3))


class DenseDecoder(nn.Module):
    """Vectors `(*b, size_in)` to the mean of images `(*b, height, width, C)`."""

    def __init__(self, config: MLPConfig, size_in: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.net = MLP(config, size_in, prod(shape))

    def forward(self, features: Float[Tensor, "*b F"]) -> Float[Tensor, "*b height width C"]:
        return self.net(features).unflatten(-1, self.shape)


def image_encoder(config: ImageConfig, shape: tuple[int, ...]) -> ConvEncoder | DenseEncoder:
    """The encoder for images of `shape` (height, width, channels)."""
    if isinstance(config, MLPConfig):
        return DenseEncoder(config, shape)
    return ConvEncoder(config, shape[0], shape[2])


def image_decoder(config: ImageConfig, size_in: int, shape: tuple[int, ...]) -> ConvDecoder | DenseDecoder:
    """The decoder to images of `shape` (height, width, channels)."""
    if isinstance(config, MLPConfig):
        return DenseDecoder(config, size_in, shape)
    return ConvDecoder(config, size_in, shape[0], shape[2])
