"""A learned observer: predict the latent, then correct it by a part of what the observation says differently.

    prior      z_t = z_{t-1} + f(z_{t-1}, a_{t-1})
    posterior  z_t = prior + g * (phi(o_t) - prior),    g in (0, 1) learned for each dimension

This is the form of a Luenberger observer (Luenberger 1964) with learned networks.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reverie.dynamics import DynamicsConfig


@dataclass(frozen=True)
class ObserverState:
    """`value` (*b, Z): the estimate."""

    value: Tensor


@dataclass(frozen=True)
class ObserverConfig(DynamicsConfig):
    """`size` Z of the estimate, `hidden` units of the transition network."""

    size: int = 16
    hidden: int = 32

    def build(self, embed_size: int, action_size: int) -> "Observer":
        return Observer(self, embed_size, action_size)


class Observer(nn.Module):
    """Implements `Dynamics[ObserverState]`; features are the estimate. It takes no noise."""

    def __init__(self, config: ObserverConfig, embed_size: int, action_size: int) -> None:
        super().__init__()
        self.feature_size, self.noise_size = config.size, 0
        self.transition = nn.Sequential(
            nn.Linear(config.size + action_size, config.hidden), nn.ELU(), nn.Linear(config.hidden, config.size)
        )
        self.encode = nn.Linear(embed_size, config.size)
        self.raw_gain = nn.Parameter(torch.zeros(config.size))

    def initial(self, batch: int) -> ObserverState:
        return ObserverState(self.raw_gain.new_zeros(batch, self.feature_size))

    def predict(self, state: ObserverState, action: Tensor, noise: Tensor | None) -> ObserverState:
        change = self.transition(torch.cat([state.value, action], dim=-1))
        return ObserverState(state.value + change)

    def correct(self, prior: ObserverState, embed: Tensor, noise: Tensor | None) -> ObserverState:
        innovation = self.encode(embed) - prior.value
        return ObserverState(prior.value + torch.sigmoid(self.raw_gain) * innovation)

    def features(self, state: ObserverState) -> Tensor:
        return state.value

    def divergence(self, posterior: ObserverState, prior: ObserverState) -> Tensor:
        return (posterior.value - prior.value).square().sum(-1)

    def noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        return torch.zeros(*shape, 0, device=generator.device)
