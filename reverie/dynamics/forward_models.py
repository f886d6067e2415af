"""Forward models of encodings, `zhat_{t+1} = f(z_t, a_t)`: linear, MLP and state-dependent matrix.

Yan et al. 2020 (contrastive forward model) compare all three. `residual` dynamics add z to the output
(`dynamics.deterministic`).

Departures: the linear model has a bias, which the published code leaves out.
"""

from dataclasses import dataclass, field
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.choices import Choice
from reverie.nn.mlp import MLP, MLPConfig, initialize


class ForwardConfig(Choice):
    """The family of forward models."""

    def build(self, size: int, action_size: int) -> nn.Module:
        """A module from `(z, a)`, `(*b, size)` and `(*b, action_size)`, to `(*b, size)`."""
        raise NotImplementedError


@dataclass(frozen=True)
class LinearForwardConfig(ForwardConfig):
    """No settings."""

    def build(self, size: int, action_size: int) -> "LinearForward":
        return LinearForward(size, action_size)


class LinearForward(nn.Module):
    """`zhat = A z + B a + c`."""

    def __init__(self, size: int, action_size: int) -> None:
        super().__init__()
        self.net = nn.Linear(size + action_size, size)
        initialize(self)

    def forward(self, value: Float[Tensor, "*b Z"], action: Float[Tensor, "*b A"]) -> Float[Tensor, "*b Z"]:
        return self.net(torch.cat([value, action], dim=-1))


@dataclass(frozen=True)
class MLPForwardConfig(ForwardConfig):
    """The network's size."""

    mlp: MLPConfig = field(default_factory=lambda: MLPConfig(2, 200))

    def build(self, size: int, action_size: int) -> "MLPForward":
        return MLPForward(self, size, action_size)


class MLPForward(nn.Module):
    """`zhat = MLP([z, a])`."""

    def __init__(self, config: MLPForwardConfig, size: int, action_size: int) -> None:
        super().__init__()
        self.net = MLP(config.mlp, size + action_size, size).net  # so weights are named `net.0`, not `net.net.0`

    def forward(self, value: Float[Tensor, "*b Z"], action: Float[Tensor, "*b A"]) -> Float[Tensor, "*b Z"]:
        return self.net(torch.cat([value, action], dim=-1))


@dataclass(frozen=True)
class MatrixForwardConfig(ForwardConfig):
    """The size of the network that computes the matrix."""

    mlp: MLPConfig = field(default_factory=lambda: MLPConfig(2, 64, "relu"))

    def build(self, size: int, action_size: int) -> "MatrixForward":
        return MatrixForward(self, size, action_size)


class MatrixForward(nn.Module):
    """`zhat = W(z, a) z` with `W = tanh(MLP([z, a])) / sqrt(Z)` (Yan 2020, Sec. 4).

    The norm of a row of W is at most 1, so `|zhat_i| <= |z|`. Zero stays zero for every action.
    """

    def __init__(self, config: MatrixForwardConfig, size: int, action_size: int) -> None:
        super().__init__()
        self.net = MLP(config.mlp, size + action_size, size * size).net

    def forward(self, value: Float[Tensor, "*b Z"], action: Float[Tensor, "*b A"]) -> Float[Tensor, "*b Z"]:
        size = value.shape[-1]
        entries = self.net(torch.cat([value, action], dim=-1)).tanh() / sqrt(size)
        return (entries.unflatten(-1, (size, size)) @ value[..., None])[..., 0]
