"""The variational autoencoder: `x = f(z) + noise`, z ~ N(0, I) (Kingma & Welling 2014).

`models.generative` has the bound; this file has its three distributions.
"""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from reverie.dynamics.latents import GaussianConfig, GaussianStats
from reverie.models.generative import GenerativeConfig, GenerativeModel, Targets
from reverie.models.likelihoods import BernoulliPixelsConfig, LikelihoodConfig
from reverie.nn.image import ImageConfig
from reverie.nn.mlp import MLP, MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.spaces import EnvSpec
from reverie.types import Batch


@dataclass(frozen=True)
class VAEConfig(GenerativeConfig):
    """`image`: encoder and decoder. `beta` weighs the divergence (1 is the bound); `free` nats of it cost nothing."""

    image: ImageConfig = field(default_factory=lambda: MLPConfig(2, 256))
    latent: GaussianConfig = field(default_factory=lambda: GaussianConfig(size=16, min_std=1e-3))
    likelihood: LikelihoodConfig = field(default_factory=BernoulliPixelsConfig)
    beta: float = 1.0
    free: float = 0.0
    optimizer: AdamConfig = field(default_factory=lambda: AdamConfig(lr=1e-3))  # pyrefly: ignore[bad-override]

    def build(self, spec: EnvSpec) -> "VAE":
        return VAE(self, spec)


class VAE(GenerativeModel):
    """`q(z | x)` by an encoder, `p(z) = N(0, I)`, `p(x | z)` by a decoder. There is no condition (C = 0)."""

    def __init__(self, config: VAEConfig, spec: EnvSpec) -> None:
        super().__init__(spec, config.beta, config.free)
        self.latent, self.likelihood = config.latent.build(), config.likelihood.build()
        self.encoder = config.image.image_encoder(self.shape)
        self.head = MLP(MLPConfig(layers=0), self.encoder.size_out, self.latent.output_size)
        self.decoder = config.image.image_decoder(self.latent.sample_size, self.shape)

    def targets(self, batch: Batch) -> Targets:
        """Every image of the batch, without a condition."""
        image = self.normalize(batch.obs)[self.name]
        leading = image.shape[:2]
        pixels = batch.obs[self.name].float() / 255
        return Targets(pixels, image, image.new_zeros(*leading, 0), image.new_ones(leading))

    def prior(self, condition: Float[Tensor, "*b C"]) -> GaussianStats:
        return self.standard_normal(condition)

    def posterior(self, image: Float[Tensor, "*b h w c"], condition: Float[Tensor, "*b C"]) -> GaussianStats:
        return self.latent.stats(self.head(self.encoder(image)))

    def decode(self, sample: Float[Tensor, "*b Z"], condition: Float[Tensor, "*b C"]) -> Float[Tensor, "*b h w c"]:
        return self.to_likelihood(self.decoder(sample))
