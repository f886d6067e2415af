"""The stochastic path alone: a state-space model without deterministic memory.

    prior p(s_t | s_{t-1}, a_{t-1})      posterior q(s_t | prior_t, e_t)

Hafner et al. 2019 (PlaNet), Fig. 2b: it represents several futures, but its memory passes through noise at every step.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.dynamics.base import DynamicsConfig
from reverie.dynamics.latents import GaussianConfig, GaussianStats
from reverie.nn.mlp import ACTIVATIONS, Activation, initialize


@dataclass(frozen=True)
class SSMState:
    """`stoch`: the sample. `stats`: the distribution of the sample."""

    stoch: Float[Tensor, "*b Z"]
    stats: GaussianStats


@dataclass(frozen=True)
class SSMConfig(DynamicsConfig):
    """Sizes of the sample and of the hidden layer of prior and posterior."""

    hidden: int = 200
    latent: GaussianConfig = field(default_factory=GaussianConfig)
    activation: Activation = "elu"

    def build(self, embed_size: int, action_size: int) -> "SSM":
        return SSM(self, embed_size, action_size)


class SSM(nn.Module):
    """Implements `Dynamics[SSMState]`; features are the sample."""

    def __init__(self, config: SSMConfig, embed_size: int, action_size: int) -> None:
        super().__init__()
        self.latent = latent = config.latent.build()
        activation = ACTIVATIONS[config.activation]
        self.feature_size, self.noise_size = latent.sample_size, latent.noise_size
        self.prior = nn.Sequential(
            nn.Linear(latent.sample_size + action_size, config.hidden),
            activation(),
            nn.Linear(config.hidden, latent.output_size),
        )
        self.posterior = nn.Sequential(
            nn.Linear(2 * latent.sample_size + embed_size, config.hidden),
            activation(),
            nn.Linear(config.hidden, latent.output_size),
        )
        initialize(self)

    def initial(self, batch: int) -> SSMState:
        stats = self.latent.initial(batch, next(self.parameters()))
        return SSMState(torch.zeros_like(stats.mean), stats)

    def predict(self, state: SSMState, action: Float[Tensor, "*b A"], noise: Float[Tensor, "*b Z"] | None) -> SSMState:
        stats = self.latent.stats(self.prior(torch.cat([state.stoch, action], dim=-1)))
        return SSMState(self.latent.sample(stats, noise), stats)

    def correct(self, prior: SSMState, embed: Float[Tensor, "*b E"], noise: Float[Tensor, "*b Z"] | None) -> SSMState:
        inputs = torch.cat([prior.stats.mean, prior.stats.std, embed], dim=-1)
        stats = self.latent.stats(self.posterior(inputs))
        return SSMState(self.latent.sample(stats, noise), stats)

    def features(self, state: SSMState) -> Float[Tensor, "*b F"]:
        return state.stoch

    def divergence(self, posterior: SSMState, prior: SSMState) -> Float[Tensor, "*b"]:
        return self.latent.divergence(posterior.stats, prior.stats)

    def noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        return self.latent.noise(*shape, generator=generator)
