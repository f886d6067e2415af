"""A deterministic forward model in the space of encodings, without memory.

    z_t = f(z_{t-1}, a_{t-1})      corrected: z_t = phi(o_t)

The encoding replaces the prediction, and the divergence is their squared distance. A constant phi minimizes it, so
another signal must prevent collapse (`signals.reconstruction`, `contrastive`, `vicreg` and others).
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.dynamics.base import DynamicsConfig
from reverie.dynamics.forward_models import ForwardConfig, MLPForwardConfig
from reverie.nn.mlp import initialize


@dataclass(frozen=True)
class DeterministicState:
    """`value`: the encoding, observed or predicted."""

    value: Float[Tensor, "*b Z"]


@dataclass(frozen=True)
class DeterministicConfig(DynamicsConfig):
    """`residual`: the forward model predicts the change, `z_t = z_{t-1} + f(z_{t-1}, a_{t-1})`."""

    size: int = 30
    forward: ForwardConfig = field(default_factory=MLPForwardConfig)
    residual: bool = False

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

    def predict(
        self, state: DeterministicState, action: Float[Tensor, "*b A"], noise: Float[Tensor, "*b 0"] | None
    ) -> DeterministicState:
        output = self.forward_model(state.value, action)
        return DeterministicState(state.value + output if self.residual else output)

    def correct(
        self, prior: DeterministicState, embed: Float[Tensor, "*b E"], noise: Float[Tensor, "*b 0"] | None
    ) -> DeterministicState:
        return DeterministicState(self.encode(embed))

    def features(self, state: DeterministicState) -> Float[Tensor, "*b F"]:
        return state.value

    def divergence(self, posterior: DeterministicState, prior: DeterministicState) -> Float[Tensor, "*b"]:
        return (posterior.value - prior.value).square().sum(-1)

    def noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        return torch.zeros(*shape, 0, device=generator.device)
