"""The recurrent state-space model (RSSM): a deterministic path for memory, a stochastic one for several futures.

    h_t = GRU(h_{t-1}, s_{t-1}, a_{t-1})      prior p(s_t | h_t)      posterior q(s_t | h_t, e_t)

Hafner et al. 2019 (PlaNet), Sec. 3 and Fig. 2c. Published sizes: Dreamer V1 (2020): deter 200, stoch 30, hidden 200;
DreamerV2 (2021) 32 groups of 32 classes, deter and hidden 200 (DeepMind Control) or 600 (Atari).
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.dynamics.base import DynamicsConfig
from reverie.dynamics.categorical import CategoricalConfig, CategoricalStats
from reverie.dynamics.latents import DeterministicLatentConfig, GaussianConfig, GaussianStats, Latent, PointStats
from reverie.nn.gru import LayerNormGRUCell
from reverie.nn.mlp import ACTIVATIONS, Activation, initialize

LatentConfig = GaussianConfig | CategoricalConfig | DeterministicLatentConfig
"""The choices of the stochastic part."""
Stats = GaussianStats | CategoricalStats | PointStats


@dataclass(frozen=True)
class RSSMState:
    """`deter`: the GRU's state. `stoch`: the sample. `stats`: the distribution of the sample."""

    deter: Float[Tensor, "*b D"]
    stoch: Float[Tensor, "*b Z"]
    stats: Stats


@dataclass(frozen=True)
class RSSMConfig(DynamicsConfig):
    """Sizes of the three parts, and the cell.

    `cell`: PyTorch's GRU, or DreamerV2's with layer normalization. `gate_bias`: the initial bias of the GRU's gates. At
    0 (Dreamer V1) a new cell overwrites half of its state at every step; at 1 (published code of PlaNet and DreamerV2)
    a quarter, so gradients reach further back. The layer-norm cell adds it as a constant to the update gate.
    """

    deter: int = 200
    hidden: int = 200
    latent: LatentConfig = field(default_factory=GaussianConfig)
    activation: Activation = "elu"
    gate_bias: float = 0.0
    cell: Literal["gru", "layer_norm"] = "gru"

    def build(self, embed_size: int, action_size: int) -> "RSSM":
        return RSSM(self, embed_size, action_size)


class RSSM(nn.Module):
    """Implements `Dynamics[RSSMState]`; features are `[deter, stoch]`."""

    def __init__(self, config: RSSMConfig, embed_size: int, action_size: int) -> None:
        super().__init__()
        self.latent: Latent = config.latent.build()
        latent = self.latent
        activation = ACTIVATIONS[config.activation]
        self.deter_size = config.deter
        self.feature_size = config.deter + latent.sample_size
        self.noise_size = latent.noise_size
        self.inputs = nn.Sequential(nn.Linear(latent.sample_size + action_size, config.hidden), activation())
        if config.cell == "layer_norm":
            self.cell = LayerNormGRUCell(config.hidden, config.deter, config.gate_bias)
        else:
            self.cell = nn.GRUCell(config.hidden, config.deter)
        self.prior = nn.Sequential(
            nn.Linear(config.deter, config.hidden),
            activation(),
            nn.Linear(config.hidden, latent.output_size),
        )
        self.posterior = nn.Sequential(
            nn.Linear(config.deter + embed_size, config.hidden),
            activation(),
            nn.Linear(config.hidden, latent.output_size),
        )
        initialize(self)
        if isinstance(self.cell, nn.GRUCell):
            self._initialize_gru(self.cell, config.gate_bias)

    @staticmethod
    def _initialize_gru(cell: nn.GRUCell, gate_bias: float) -> None:
        """Keras' initialization of a GRU, with `gate_bias` for the reset and update gates."""
        nn.init.xavier_uniform_(cell.weight_ih)
        nn.init.orthogonal_(cell.weight_hh)
        nn.init.zeros_(cell.bias_ih)
        gates = cell.bias_ih[: 2 * cell.hidden_size]  # reset and update, not the candidate
        nn.init.constant_(gates, gate_bias)
        nn.init.zeros_(cell.bias_hh)

    def initial(self, batch: int) -> RSSMState:
        like = next(self.parameters())
        stats = self.latent.initial(batch, like)
        return RSSMState(
            like.new_zeros(batch, self.deter_size), torch.zeros_like(self.latent.sample(stats, None)), stats
        )

    def predict(
        self, state: RSSMState, action: Float[Tensor, "*b A"], noise: Float[Tensor, "*b Z"] | None
    ) -> RSSMState:
        inputs = self.inputs(torch.cat([state.stoch, action], dim=-1))
        deter = self.cell(inputs.flatten(0, -2), state.deter.flatten(0, -2)).reshape(state.deter.shape)
        stats = self.latent.stats(self.prior(deter))
        return RSSMState(deter, self.latent.sample(stats, noise), stats)

    def correct(self, prior: RSSMState, embed: Float[Tensor, "*b E"], noise: Float[Tensor, "*b Z"] | None) -> RSSMState:
        stats = self.latent.stats(self.posterior(torch.cat([prior.deter, embed], dim=-1)))
        return RSSMState(prior.deter, self.latent.sample(stats, noise), stats)

    def features(self, state: RSSMState) -> Float[Tensor, "*b F"]:
        return torch.cat([state.deter, state.stoch], dim=-1)

    def feature_std(self, features: Float[Tensor, "N F"]) -> Float[Tensor, " K"]:
        deter, stoch = features.split([self.deter_size, self.latent.sample_size], -1)
        return torch.cat([deter.std(0), self.latent.sample_std(stoch)])

    def divergence(self, posterior: RSSMState, prior: RSSMState) -> Float[Tensor, "*b"]:
        return self.latent.divergence(posterior.stats, prior.stats)

    def noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        return self.latent.noise(*shape, generator=generator)
