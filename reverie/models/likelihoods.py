"""How a decoder's output becomes a distribution over pixels in [0, 1].

A likelihood knows nothing of the network. Its log-probabilities are sums over all pixels and channels of an image, in
nats: of a density for the Gaussian (which may be positive), of a probability for the Bernoulli.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.math.distributions import bernoulli_log_prob, isotropic_log_prob


@dataclass(frozen=True)
class GaussianPixelsConfig:
    """`N(mean, std)` for each pixel; `learned` fits one std for all pixels, from `std` on (Rybkin 2021)."""

    std: float = 0.1
    learned: bool = False

    def build(self) -> "GaussianPixels":
        return GaussianPixels(self)


@dataclass(frozen=True)
class BernoulliPixelsConfig:
    """A probability of ink for each pixel; gray levels count as probabilities themselves."""

    def build(self) -> "BernoulliPixels":
        return BernoulliPixels()


class GaussianPixels(nn.Module):
    """The output is the mean."""

    log_std: Tensor

    def __init__(self, config: GaussianPixelsConfig) -> None:
        super().__init__()
        log_std = torch.tensor(math.log(config.std))
        if config.learned:
            self.log_std = nn.Parameter(log_std)
        else:
            self.register_buffer("log_std", log_std)

    def from_network(self, raw: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """A network's raw output as the likelihood's, for images of that mean and scale."""
        return raw * scale + mean

    def log_prob(self, output: Float[Tensor, "*b h w c"], pixels: Float[Tensor, "*b h w c"]) -> Float[Tensor, "*b"]:
        shrink = torch.exp(-self.log_std)
        # (x - m) / s has density N(0, 1); coming back to x costs ln s for each pixel.
        nats = isotropic_log_prob((pixels * shrink).flatten(-3), (output * shrink).flatten(-3))
        return nats - math.prod(pixels.shape[-3:]) * self.log_std

    def mean(self, output: Tensor) -> Tensor:
        """The expected pixels."""
        return output


class BernoulliPixels(nn.Module):
    """The output is a logit."""

    def from_network(self, raw: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """The raw output, added to the logit of the mean image."""
        return raw + mean.clamp(0.01, 0.99).logit()

    def log_prob(self, output: Float[Tensor, "*b h w c"], pixels: Float[Tensor, "*b h w c"]) -> Float[Tensor, "*b"]:
        return bernoulli_log_prob(output, pixels).flatten(-3).sum(-1)

    def mean(self, output: Tensor) -> Tensor:
        """The expected pixels."""
        return output.sigmoid()


LikelihoodConfig = GaussianPixelsConfig | BernoulliPixelsConfig
Likelihood = GaussianPixels | BernoulliPixels
