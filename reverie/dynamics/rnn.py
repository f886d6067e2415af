"""The deterministic path alone: an RSSM with a deterministic latent.

    h_t = GRU(h_{t-1}, z_{t-1}, a_{t-1})      prior z_t = f(h_t)      posterior z_t = g(h_t, e_t)

Hafner et al. 2019 (PlaNet), Fig. 2a: it has memory, but cannot represent several futures.
"""

from dataclasses import dataclass

from reverie.dynamics.base import DynamicsConfig
from reverie.dynamics.latents import DeterministicLatentConfig
from reverie.dynamics.rssm import RSSM, RSSMConfig
from reverie.nn.mlp import Activation


@dataclass(frozen=True)
class RNNConfig(DynamicsConfig):
    """Sizes as in `RSSMConfig`; `size` is the latent's."""

    deter: int = 200
    hidden: int = 200
    size: int = 30
    activation: Activation = "elu"
    gate_bias: float = 0.0

    def build(self, embed_size: int, action_size: int) -> RSSM:
        latent = DeterministicLatentConfig(self.size)
        config = RSSMConfig(self.deter, self.hidden, latent, self.activation, self.gate_bias)
        return RSSM(config, embed_size, action_size)
