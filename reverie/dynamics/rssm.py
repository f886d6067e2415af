"""The recurrent state-space model (RSSM), and its two paths alone (PlaNet, Hafner 2019, Sec. 3 and Fig. 2).

    RSSM   h_t = GRU(h_{t-1}, s_{t-1}, a_{t-1})      prior p(s_t | h_t)                 posterior q(s_t | h_t, e_t)
    RNN    h_t as above                              prior z_t = f(h_t)                 posterior z_t = g(h_t, e_t)
    SSM    without h_t                               prior p(s_t | s_{t-1}, a_{t-1})    posterior q(s_t | prior_t, e_t)

The deterministic path h_t is memory, the stochastic s_t can represent several futures. Published sizes of the RSSM are
deter 200, stoch 30, hidden 200 in Dreamer V1 (2020). DreamerV2 (2021) has 32 groups of 32 classes, with deter and
hidden 200 (DeepMind Control) or 600 (Atari).
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.checks import at_least, between
from reverie.dynamics.base import DynamicsConfig, Noise
from reverie.dynamics.latents import DeterministicLatentConfig, GaussianConfig, GaussianStats, Latent, LatentConfig
from reverie.nn.gru import LayerNormGRUCell, ResetFirstGRUCell
from reverie.nn.mlp import ACTIVATIONS, Activation, initialize


@dataclass(frozen=True)
class RSSMState:
    """`deter`: the GRU's state. `stoch`: the sample. `stats`: the distribution of the sample."""

    deter: Float[Tensor, "*b D"]
    stoch: Float[Tensor, "*b Z"]
    stats: object


@dataclass(frozen=True)
class RSSMConfig(DynamicsConfig):
    """A recurrent state-space model (Fig. 2c)."""

    deter: int = field(default=200, metadata=at_least(1))
    """Size D of the GRU's state."""
    hidden: int = field(default=200, metadata=at_least(1))
    """Units of each hidden layer."""
    latent: LatentConfig = field(default_factory=GaussianConfig)
    """The stochastic part of the state."""
    activation: Activation = "elu"
    """Activation of the hidden layers."""
    gate_bias: float = field(default=0.0, metadata=between(-100, 100))
    """Initial bias of the GRU's gates.

    At 0 (Dreamer V1) a new cell overwrites half of its state at every step. At 1 (published code of PlaNet and
    DreamerV2) it overwrites a quarter, so gradients reach further back."""
    cell: Literal["gru", "layer_norm", "reset_first"] = "gru"
    """PyTorch's GRU; DreamerV2's with layer normalization, whose update gate takes the bias as a constant; or PlaNet's,
    the GRU of Cho 2014, which resets the state before the matrix product."""

    def build(self, embed_size: int, action_size: int) -> "RSSM":
        return RSSM(self, embed_size, action_size)


class RSSM(nn.Module):
    """Implements `Dynamics[RSSMState]`; features are `[deter, stoch]`."""

    def __init__(self, config: RSSMConfig, embed_size: int, action_size: int) -> None:
        super().__init__()
        self.latent: Latent = config.latent.build()
        latent, deter, hidden = self.latent, config.deter, config.hidden
        self.deter_size, self.noise_size = deter, latent.noise_size
        self.feature_size = deter + latent.sample_size
        self.inputs = nn.Sequential(
            nn.Linear(latent.sample_size + action_size, hidden), ACTIVATIONS[config.activation]()
        )
        if config.cell == "layer_norm":
            self.cell = LayerNormGRUCell(hidden, deter, config.gate_bias)
        elif config.cell == "reset_first":
            self.cell = ResetFirstGRUCell(hidden, deter)
        else:
            self.cell = nn.GRUCell(hidden, deter)
        self.prior = build_network(deter, hidden, latent.output_size, config.activation)
        self.posterior = build_network(deter + embed_size, hidden, latent.output_size, config.activation)
        initialize(self)
        if isinstance(self.cell, nn.GRUCell):
            initialize_gru(self.cell, config.gate_bias)
        if isinstance(self.cell, ResetFirstGRUCell):
            nn.init.constant_(self.cell.gates.bias, config.gate_bias)

    def initial(self, batch: int) -> RSSMState:
        like = next(self.parameters())
        stats = self.latent.initial(batch, like)
        return RSSMState(like.new_zeros(batch, self.deter_size), like.new_zeros(batch, self.latent.sample_size), stats)

    def predict(self, state: RSSMState, action: Float[Tensor, "*b A"], noise: Noise) -> RSSMState:
        inputs = self.inputs(torch.cat([state.stoch, action], dim=-1))
        deter = self.cell(inputs.flatten(0, -2), state.deter.flatten(0, -2)).reshape(state.deter.shape)
        stats = self.latent.stats(self.prior(deter))
        return RSSMState(deter, self.latent.sample(stats, noise), stats)

    def correct(self, prior: RSSMState, embed: Float[Tensor, "*b E"], noise: Noise) -> RSSMState:
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


def build_network(size_in: int, hidden: int, size_out: int, activation: Activation) -> nn.Sequential:
    """Return a network with one hidden layer, before its initialization."""
    return nn.Sequential(nn.Linear(size_in, hidden), ACTIVATIONS[activation](), nn.Linear(hidden, size_out))


def initialize_gru(cell: nn.GRUCell, gate_bias: float) -> None:
    """Initialize a GRU as Keras does, with `gate_bias` for the reset and update gates."""
    nn.init.xavier_uniform_(cell.weight_ih)
    nn.init.orthogonal_(cell.weight_hh)
    nn.init.zeros_(cell.bias_ih)
    nn.init.zeros_(cell.bias_hh)
    nn.init.constant_(cell.bias_ih[: 2 * cell.hidden_size], gate_bias)  # reset and update, not the candidate


@dataclass(frozen=True)
class RNNConfig(DynamicsConfig):
    """The deterministic path alone (Fig. 2a), an RSSM with a deterministic latent: memory without several futures."""

    deter: int = field(default=200, metadata=at_least(1))
    """Size D of the GRU's state."""
    hidden: int = field(default=200, metadata=at_least(1))
    """Units of each hidden layer."""
    size: int = field(default=30, metadata=at_least(1))
    """Number Z of dimensions of the latent."""
    activation: Activation = "elu"
    """Activation of the hidden layers."""
    gate_bias: float = field(default=0.0, metadata=between(-100, 100))
    """Initial bias of the GRU's gates, as in an RSSM."""

    def build(self, embed_size: int, action_size: int) -> RSSM:
        latent = DeterministicLatentConfig(self.size)
        config = RSSMConfig(self.deter, self.hidden, latent, self.activation, self.gate_bias)
        return RSSM(config, embed_size, action_size)


@dataclass(frozen=True)
class SSMState:
    """`stoch`: the sample. `stats`: the distribution of the sample."""

    stoch: Float[Tensor, "*b Z"]
    stats: GaussianStats


@dataclass(frozen=True)
class SSMConfig(DynamicsConfig):
    """The stochastic path alone (Fig. 2b): several futures, but memory passes through noise at every step."""

    hidden: int = field(default=200, metadata=at_least(1))
    """Units of the hidden layer of prior and posterior."""
    latent: GaussianConfig = field(default_factory=GaussianConfig)
    """The state's distribution."""
    activation: Activation = "elu"
    """Activation of the hidden layers."""

    def build(self, embed_size: int, action_size: int) -> "SSM":
        return SSM(self, embed_size, action_size)


class SSM(nn.Module):
    """Implements `Dynamics[SSMState]`; features are the sample."""

    def __init__(self, config: SSMConfig, embed_size: int, action_size: int) -> None:
        super().__init__()
        self.latent = latent = config.latent.build()
        size, outputs = latent.sample_size, latent.output_size
        self.feature_size, self.noise_size = size, latent.noise_size
        self.prior = build_network(size + action_size, config.hidden, outputs, config.activation)
        self.posterior = build_network(2 * size + embed_size, config.hidden, outputs, config.activation)
        initialize(self)

    def initial(self, batch: int) -> SSMState:
        stats = self.latent.initial(batch, next(self.parameters()))
        return SSMState(torch.zeros_like(stats.mean), stats)

    def predict(self, state: SSMState, action: Float[Tensor, "*b A"], noise: Noise) -> SSMState:
        stats = self.latent.stats(self.prior(torch.cat([state.stoch, action], dim=-1)))
        return SSMState(self.latent.sample(stats, noise), stats)

    def correct(self, prior: SSMState, embed: Float[Tensor, "*b E"], noise: Noise) -> SSMState:
        inputs = torch.cat([prior.stats.mean, prior.stats.std, embed], dim=-1)
        stats = self.latent.stats(self.posterior(inputs))
        return SSMState(self.latent.sample(stats, noise), stats)

    def features(self, state: SSMState) -> Float[Tensor, "*b F"]:
        return state.stoch

    def divergence(self, posterior: SSMState, prior: SSMState) -> Float[Tensor, "*b"]:
        return self.latent.divergence(posterior.stats, prior.stats)

    def noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        return self.latent.noise(*shape, generator=generator)
