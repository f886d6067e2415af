"""Dense networks: heads, policies, values and the encoder of vector observations."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.checks import at_least, between
from reverie.math.distributions import UnitNormal
from reverie.nn.block import BlockLinear
from reverie.nn.image import ImageConfig, ImageEncoder
from reverie.nn.scalar import Scalar, ScalarConfig

Activation = Literal["elu", "relu", "silu"]
ACTIVATIONS: dict[str, type[nn.Module]] = {"elu": nn.ELU, "relu": nn.ReLU, "silu": nn.SiLU}


Norm = Literal["none", "rms"]
NORMS: dict[str, Callable[[int], list[nn.Module]]] = {
    "none": lambda size: [],
    "rms": lambda size: [nn.RMSNorm(size, eps=1e-4)],
}
Init = Literal["glorot", "normal", "truncated_normal"]


def initialize(module: nn.Module, init: Init = "glorot") -> None:
    """Set the initial weights of all layers, and zero biases.

    `glorot`: uniform, as the agents up to DreamerV2 do; PyTorch's default is smaller.
    `normal`, `truncated_normal`: variance 1 / inputs, the second cut at two standard deviations (DreamerV3).
    """
    for part in module.modules():
        if not isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | BlockLinear):
            continue
        axis = 1 if isinstance(part, nn.ConvTranspose2d) else -1 if isinstance(part, BlockLinear) else 0
        inputs = part.weight.numel() // part.weight.shape[axis]  # by output
        if init == "normal":
            nn.init.normal_(part.weight, std=inputs**-0.5)
        elif init == "truncated_normal":
            std = inputs**-0.5 / 0.87962566103423978  # a normal cut at two has this standard deviation
            nn.init.trunc_normal_(part.weight, std=std, a=-2 * std, b=2 * std)
        else:
            for weight in part.weight if isinstance(part, BlockLinear) else [part.weight]:
                nn.init.xavier_uniform_(weight)
        if part.bias is not None:
            nn.init.zeros_(part.bias)


@dataclass(frozen=True)
class MLPConfig(ImageConfig, ScalarConfig):
    """A dense network. It reads and draws an image as one vector of pixels. One number is normal, with std 1."""

    layers: int = field(default=2, metadata=between(0, 1000))
    """Number of hidden layers; 0 is a linear map."""
    units: int = field(default=300, metadata=at_least(1))
    """Units of a hidden layer."""
    activation: Activation = "elu"
    """The nonlinearity after each hidden layer."""
    norm: Norm = "none"
    """Normalization before it: `rms` divides by the root mean square over all units (Zhang & Sennrich 2019)."""
    init: Init = "glorot"
    """The distribution of the initial weights (`nn.mlp.initialize`)."""
    output_scale: float = field(default=1.0, metadata=at_least(0))
    """Factor of the initial weights of the output layer; at 0 every new output is 0."""

    def scalar(self, size_in: int) -> "NormalScalar":
        return NormalScalar(self, size_in)

    def image_encoder(self, shape: tuple[int, ...]) -> "DenseEncoder":
        return DenseEncoder(self, shape)

    def image_decoder(self, size_in: int, shape: tuple[int, ...]) -> nn.Module:
        parts: dict[str, nn.Module] = {"net": MLP(self, size_in, prod(shape)), "image": nn.Unflatten(-1, shape)}
        return nn.Sequential(OrderedDict(parts))


def hidden_layers(config: MLPConfig, size_in: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in pairwise([size_in] + [config.units] * config.layers):
        layers += [nn.Linear(before, after), *NORMS[config.norm](after), ACTIVATIONS[config.activation]()]
    return layers


class MLP(nn.Module):
    """A dense network from `(*b, size_in)` to `(*b, size_out)`: hidden layers, then a linear output."""

    def __init__(self, config: MLPConfig, size_in: int, size_out: int) -> None:
        super().__init__()
        width = config.units if config.layers else size_in
        output = nn.Linear(width, size_out)
        self.net = nn.Sequential(*hidden_layers(config, size_in), output)
        initialize(self, config.init)
        if config.output_scale != 1:
            with torch.no_grad():
                output.weight.mul_(config.output_scale)

    def forward(self, inputs: Float[Tensor, "*b I"]) -> Float[Tensor, "*b O"]:
        return self.net(inputs)


class NormalScalar(Scalar):
    """`N(net(features), 1)`"""

    def __init__(self, config: MLPConfig, size_in: int) -> None:
        super().__init__()
        self.net = MLP(config, size_in, 1).net

    def distribution(self, features: Float[Tensor, "*b F"]) -> UnitNormal:
        return UnitNormal(self.net(features)[..., 0])


class DenseEncoder(ImageEncoder):
    """Hidden layers over the pixels of an image."""

    def __init__(self, config: MLPConfig, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.net = nn.Sequential(*hidden_layers(config, prod(shape)))
        self.size_out = config.units if config.layers else prod(shape)
        initialize(self, config.init)

    def forward(self, images: Float[Tensor, "*b height width C"]) -> Float[Tensor, "*b E"]:
        return self.net(images.flatten(-3))
