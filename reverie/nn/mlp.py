"""Dense networks: heads, policies, values and the encoder of vector observations."""

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.checks import at_least, between
from reverie.nn.image import ImageConfig, ImageEncoder

Activation = Literal["elu", "relu", "silu"]
ACTIVATIONS: dict[str, type[nn.Module]] = {"elu": nn.ELU, "relu": nn.ReLU, "silu": nn.SiLU}


def initialize(module: nn.Module) -> None:
    """Set Glorot-uniform weights and zero biases, as the published agents do. PyTorch's default is smaller."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


@dataclass(frozen=True)
class MLPConfig(ImageConfig):
    """A dense network. It reads and draws an image as one vector of pixels."""

    layers: int = field(default=2, metadata=between(0, 1000))
    """Number of hidden layers; 0 is a linear map."""
    units: int = field(default=300, metadata=at_least(1))
    """Units of a hidden layer."""
    activation: Activation = "elu"
    """The nonlinearity after each hidden layer."""

    def image_encoder(self, shape: tuple[int, ...]) -> "DenseEncoder":
        return DenseEncoder(self, shape)

    def image_decoder(self, size_in: int, shape: tuple[int, ...]) -> nn.Module:
        parts: dict[str, nn.Module] = {"net": MLP(self, size_in, prod(shape)), "image": nn.Unflatten(-1, shape)}
        return nn.Sequential(OrderedDict(parts))


def hidden_layers(config: MLPConfig, size_in: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in pairwise([size_in] + [config.units] * config.layers):
        layers += [nn.Linear(before, after), ACTIVATIONS[config.activation]()]
    return layers


class MLP(nn.Module):
    """A dense network from `(*b, size_in)` to `(*b, size_out)`: hidden layers, then a linear output."""

    def __init__(self, config: MLPConfig, size_in: int, size_out: int) -> None:
        super().__init__()
        width = config.units if config.layers else size_in
        self.net = nn.Sequential(*hidden_layers(config, size_in), nn.Linear(width, size_out))
        initialize(self)

    def forward(self, inputs: Float[Tensor, "*b I"]) -> Float[Tensor, "*b O"]:
        return self.net(inputs)


class DenseEncoder(ImageEncoder):
    """Hidden layers over the pixels of an image."""

    def __init__(self, config: MLPConfig, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.net = nn.Sequential(*hidden_layers(config, prod(shape)))
        self.size_out = config.units if config.layers else prod(shape)
        initialize(self)

    def forward(self, images: Float[Tensor, "*b height width C"]) -> Float[Tensor, "*b E"]:
        return self.net(images.flatten(-3))
