"""A deterministic forward model in the space of encodings, without memory.

    z_t = f(z_{t-1}, a_{t-1})      corrected: z_t = phi(o_t)

The encoding replaces the prediction, and the divergence is their squared distance. A constant phi minimizes it, so
another signal must prevent collapse (`signals.reconstruction`, `contrastive`, `vicreg` and others). Yan et al. 2020
(contrastive forward model) compare three forward models f: linear, MLP and state-dependent matrix.

Departures: the linear model has a bias, which the published code leaves out.
"""

from dataclasses import dataclass, field
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.checks import at_least
from reverie.config.choices import Choice
from reverie.dynamics.base import DynamicsConfig, Noise
from reverie.nn.mlp import MLP, MLPConfig, initialize


class ForwardConfig(Choice):
    """The family of forward models."""

    def build(self, size: int, action_size: int) -> nn.Module:
        """Return a module from `(z, a)`, `(*b, size)` and `(*b, action_size)`, to `(*b, size)`."""
        raise NotImplementedError


class ForwardModel(nn.Module):
    """`zhat = net([z, a])`."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, value: Float[Tensor, "*b Z"], action: Float[Tensor, "*b A"]) -> Float[Tensor, "*b Z"]:
        return self.net(torch.cat([value, action], dim=-1))


@dataclass(frozen=True)
class LinearForwardConfig(ForwardConfig):
    """`zhat = A z + B a + c`; it has no settings."""

    def build(self, size: int, action_size: int) -> ForwardModel:
        net = nn.Linear(size + action_size, size)
        initialize(net)
        return ForwardModel(net)


@dataclass(frozen=True)
class MLPForwardConfig(ForwardConfig):
    """`zhat = MLP([z, a])`."""

    mlp: MLPConfig = field(default_factory=lambda: MLPConfig(2, 200))
    """Size of the network."""

    def build(self, size: int, action_size: int) -> ForwardModel:
        return ForwardModel(MLP(self.mlp, size + action_size, size).net)


@dataclass(frozen=True)
class MatrixForwardConfig(ForwardConfig):
    """`zhat = W(z, a) z`, a matrix that depends on encoding and action (Yan 2020, Sec. 4)."""

    mlp: MLPConfig = field(default_factory=lambda: MLPConfig(2, 64, "relu"))
    """Size of the network that computes the matrix."""

    def build(self, size: int, action_size: int) -> "MatrixForward":
        return MatrixForward(MLP(self.mlp, size + action_size, size * size).net)


class MatrixForward(ForwardModel):
    """`zhat = W(z, a) z` with `W = tanh(MLP([z, a])) / sqrt(Z)`.

    The norm of a row of W is at most 1, so `|zhat_i| <= |z|`. Zero stays zero for every action.
    """

    def forward(self, value: Float[Tensor, "*b Z"], action: Float[Tensor, "*b A"]) -> Float[Tensor, "*b Z"]:
        size = value.shape[-1]
        entries = self.net(torch.cat([value, action], dim=-1)).tanh() / sqrt(size)
        return (entries.unflatten(-1, (size, size)) @ value[..., None])[..., 0]


@dataclass(frozen=True)
class DeterministicState:
    """`value`: the encoding, observed or predicted."""

    value: Float[Tensor, "*b Z"]


@dataclass(frozen=True)
class DeterministicConfig(DynamicsConfig):
    """A deterministic forward model of encodings."""

    size: int = field(default=30, metadata=at_least(1))
    """Number Z of dimensions of an encoding."""
    forward: ForwardConfig = field(default_factory=MLPForwardConfig)
    """The forward model f."""
    residual: bool = False
    """Whether f predicts the change, `z_t = z_{t-1} + f(z_{t-1}, a_{t-1})`."""

    def build(self, embed_size: int, action_size: int) -> "Deterministic":
        return Deterministic(self, embed_size, action_size)


class Deterministic(nn.Module):
    """Implements `Dynamics[DeterministicState]`; features are the encoding; phi ends in a linear layer."""

    def __init__(self, config: DeterministicConfig, embed_size: int, action_size: int) -> None:
        super().__init__()
        self.residual = config.residual
        self.feature_size, self.noise_size = config.size, 0
        self.encode = nn.Linear(embed_size, config.size)
        self.forward_model = config.forward.build(config.size, action_size)
        initialize(self)

    def initial(self, batch: int) -> DeterministicState:
        return DeterministicState(self.encode.weight.new_zeros(batch, self.feature_size))

    def predict(self, state: DeterministicState, action: Float[Tensor, "*b A"], noise: Noise) -> DeterministicState:
        output = self.forward_model(state.value, action)
        return DeterministicState(state.value + output if self.residual else output)

    def correct(self, prior: DeterministicState, embed: Float[Tensor, "*b E"], noise: Noise) -> DeterministicState:
        return DeterministicState(self.encode(embed))

    def features(self, state: DeterministicState) -> Float[Tensor, "*b F"]:
        return state.value

    def divergence(self, posterior: DeterministicState, prior: DeterministicState) -> Float[Tensor, "*b"]:
        return (posterior.value - prior.value).square().sum(-1)

    def noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        return torch.zeros(*shape, 0, device=generator.device)
