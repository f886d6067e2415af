"""The variational autoencoder: `x = f(z) + noise`, z ~ N(0, I) (Kingma & Welling 2014).

`models.generative` has the bound and the prior; this file has encoder and decoder.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reverie.dynamics.latents import GaussianStats
from reverie.models.generative import Condition, GenerativeConfig, GenerativeModel, Images
from reverie.nn.mlp import MLP, MLPConfig
from reverie.spaces import EnvSpec


@dataclass(frozen=True)
class VAEConfig(GenerativeConfig):
    """A variational autoencoder of images."""

    def build(self, spec: EnvSpec) -> "VAE":
        return VAE(self, spec)


class VAE(GenerativeModel):
    """`q(z | x)` by an encoder, `p(z) = N(0, I)`, `p(x | z)` by a decoder. There is no condition (C = 0)."""

    def __init__(self, config: VAEConfig, spec: EnvSpec) -> None:
        super().__init__(config, spec)
        self.encoder = config.image.image_encoder(self.shape)
        self.head = MLP(MLPConfig(layers=0), self.encoder.size_out, self.latent.output_size)
        self.decoder = config.image.image_decoder(self.latent.sample_size, self.shape)

    def posterior(self, image: Images, condition: Condition) -> GaussianStats:
        return self.latent.stats(self.head(self.encoder(image)))

    def decode(self, sample: Float[Tensor, "*b Z"], condition: Condition) -> Images:
        return self.to_likelihood(self.decoder(sample))
