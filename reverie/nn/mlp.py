"""Dense networks: heads, policies, values and the encoder of vector observations."""

from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.nn.image import ImageConfig, ImageEncoder

Activation = Literal["elu", "relu", "silu"]
ACTIVATIONS: dict[str, type[nn.Module]] = {"elu": nn.ELU, "relu": nn.ReLU, "silu": nn.SiLU}


def initialize(module: nn.Module) -> None:
    """Set Glorot-uniform weights and zero biases, as in the published agents (PyTorch's default is smaller)."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


@dataclass(frozen=True)
class MLPConfig(ImageConfig):
    """`layers` hidden layers of `units`, then a linear output. For an image, all pixels are one vector."""

    layers: int = 2
    units: int = 300
    activation: Activation = "elu"

    def image_encoder(self, shape: tuple[int, ...]) -> "DenseEncoder":
        return DenseEncoder(self, shape)

    def image_decoder(self, size_in: int, shape: tuple[int, ...]) -> "DenseDecoder":
        return DenseDecoder(self, size_in, shape)


class MLP(nn.Module):
    """A dense network from `(*b, size_in)` to `(*b, size_out)`."""

    def __init__(self, config: MLPConfig, size_in: int, size_out: int) -> None:
        super().__init__()
        sizes = [size_in] + [config.units] * config.layers
        stack: list[nn.Module] = []
        for before, after in pairwise(sizes):
            stack += [nn.Linear(before, after), ACTIVATIONS[config.activation]()]
        self.net = nn.Sequential(*stack, nn.Linear(sizes[-1], size_out))
        initialize(self)

    def forward(self, inputs: Float[Tensor, "*b I"]) -> Float[Tensor, "*b O"]:
        return self.net(inputs)


class DenseEncoder(ImageEncoder):
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


def symlog(vector: Float[Tensor, "*b V"]) -> Float[Tensor, "*b V"]:
    """`sign(x) ln(1 + |x|)`: compresses vector observations of any unit (Hafner 2023, Eq. 1)."""
    return torch.sign(vector) * torch.log1p(vector.abs())


def symexp(vector: Float[Tensor, "*b V"]) -> Float[Tensor, "*b V"]:
    """`sign(x) (exp(|x|) - 1)`: the inverse of `symlog`."""
    return torch.sign(vector) * torch.expm1(vector.abs())
