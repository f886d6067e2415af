"""Dense networks: the stack under every head, policy and value, and the encoder of vector observations."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

Activation = Literal["elu", "relu", "silu"]
ACTIVATIONS: dict[str, type[nn.Module]] = {"elu": nn.ELU, "relu": nn.ReLU, "silu": nn.SiLU}


def initialize(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases, as the published agents have (PyTorch's own default is smaller)."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


@dataclass(frozen=True)
class MLPConfig:
    """`layers` hidden layers of `units`, then a linear output."""

    layers: int = 2
    units: int = 300
    activation: Activation = "elu"


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


def symlog(vector: Float[Tensor, "*b V"]) -> Float[Tensor, "*b V"]:
    """`sign(x) ln(1 + |x|)`: keeps vector observations of any unit within a network's range (Hafner 2023, Eq. 1)."""
    return torch.sign(vector) * torch.log1p(vector.abs())


def symexp(vector: Float[Tensor, "*b V"]) -> Float[Tensor, "*b V"]:
    """`sign(x) (exp(|x|) - 1)`: the inverse of `symlog`."""
    return torch.sign(vector) * torch.expm1(vector.abs())
