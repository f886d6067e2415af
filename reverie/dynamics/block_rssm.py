"""DreamerV3's recurrent state-space model: a wide memory of blocks, and normalized layers before it (Hafner 2023).

    x_t = [f(h_{t-1}), f(s_{t-1}), f(a_{t-1})]         f: a linear layer, RMS normalization and SiLU, each of its own
    h_t = BlockGRU(h_{t-1}, x_t)                       `nn.block`
    prior p(s_t | h_t)                                 two hidden layers
    posterior q(s_t | h_t, e_t)                        one hidden layer

With 8 blocks a memory of 2048 numbers has an eighth of a dense GRU's recurrent weights. Published sizes are those of
the recipe.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.checks import at_least
from reverie.dynamics.base import DynamicsConfig, Noise
from reverie.dynamics.latents import CategoricalConfig, LatentConfig
from reverie.dynamics.rssm import RSSM, RSSMState
from reverie.nn.block import BlockGRUCell
from reverie.nn.mlp import ACTIVATIONS, MLP, NORMS, Activation, Init, MLPConfig, hidden_layers, initialize


@dataclass(frozen=True)
class BlockRSSMConfig(DynamicsConfig):
    """A recurrent state-space model with a block-diagonal cell; the defaults are DreamerV3's smallest size."""

    deter: int = field(default=512, metadata=at_least(1))
    """Size D of the cell's state; a multiple of `blocks`."""
    hidden: int = field(default=64, metadata=at_least(1))
    """Units of each hidden layer."""
    latent: LatentConfig = field(default_factory=lambda: CategoricalConfig(32, 4, unimix=0.01))
    """The stochastic part of the state."""
    blocks: int = field(default=8, metadata=at_least(1))
    """Blocks of the cell."""
    prior_layers: int = field(default=2, metadata=at_least(0))
    """Hidden layers of the prior."""
    posterior_layers: int = field(default=1, metadata=at_least(0))
    """Hidden layers of the posterior."""
    activation: Activation = "silu"
    """Activation of the hidden layers."""
    init: Init = "truncated_normal"
    """The distribution of the initial weights (`nn.mlp.initialize`)."""

    def build(self, embed_size: int, action_size: int) -> "BlockRSSM":
        return BlockRSSM(self, embed_size, action_size)


class BlockRSSM(RSSM):
    """Implements `Dynamics[RSSMState]`; it differs from its base in the prediction.

    Departures: the published step clips actions to [-1, 1]. Ours are clipped where they are chosen.
    """

    def __init__(self, config: BlockRSSMConfig, embed_size: int, action_size: int) -> None:
        nn.Module.__init__(self)
        self.latent = latent = config.latent.build()
        self.deter_size, self.noise_size = config.deter, latent.noise_size
        self.feature_size = config.deter + latent.sample_size

        def network(layers: int) -> MLPConfig:
            return MLPConfig(layers, config.hidden, config.activation, "rms", config.init)

        sizes = (config.deter, latent.sample_size, action_size)
        self.input_layers = nn.ModuleList(nn.Sequential(*hidden_layers(network(1), size)) for size in sizes)
        (norm,), activation = NORMS["rms"](config.deter), ACTIVATIONS[config.activation]()
        self.block_cell = BlockGRUCell(3 * config.hidden, config.deter, config.blocks, norm, activation)
        initialize(self, config.init)
        self.prior = MLP(network(config.prior_layers), config.deter, latent.output_size).net
        self.posterior = MLP(network(config.posterior_layers), config.deter + embed_size, latent.output_size).net

    def predict(self, state: RSSMState, action: Float[Tensor, "*b A"], noise: Noise) -> RSSMState:
        parts = (state.deter, state.stoch, action)
        inputs = torch.cat([layer(part) for layer, part in zip(self.input_layers, parts)], -1)
        deter = self.block_cell(inputs, state.deter)
        stats = self.latent.stats(self.prior(deter))
        return RSSMState(deter, self.latent.sample(stats, noise), stats)
