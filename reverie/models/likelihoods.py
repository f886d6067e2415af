"""Likelihoods of pixels in [0, 1] given a decoder's output.

Log-likelihoods are sums over all pixels and channels of an image, in nats. The Gaussian's is a log-density, which may
be positive.
"""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.checks import positive
from reverie.config.choices import Choice
from reverie.math.distributions import bernoulli_log_prob, isotropic_log_prob

Images = Float[Tensor, "*b h w c"]


class Likelihood(nn.Module):
    """A distribution over pixels in [0, 1], given a decoder's output."""

    def from_network(self, raw: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """Turn a network's raw output into parameters, for images of this mean and scale."""
        raise NotImplementedError

    def log_prob(self, output: Images, pixels: Images) -> Float[Tensor, "*b"]:
        """Return the log-likelihood of each image in nats."""
        raise NotImplementedError

    def mean(self, output: Tensor) -> Tensor:
        """Return the expected pixels."""
        raise NotImplementedError


class LikelihoodConfig(Choice):
    """The family of likelihoods of pixels."""

    def build(self) -> Likelihood:
        raise NotImplementedError


@dataclass(frozen=True)
class GaussianPixelsConfig(LikelihoodConfig):
    """`N(mean, std)` for each pixel."""

    std: float = field(default=0.1, metadata=positive())
    """Standard deviation of a pixel in [0, 1], above 0."""
    learned: bool = False
    """Fit a single standard deviation, starting from `std` (Rybkin 2021)."""

    def build(self) -> "GaussianPixels":
        return GaussianPixels(self)


@dataclass(frozen=True)
class BernoulliPixelsConfig(LikelihoodConfig):
    """A Bernoulli for each pixel; gray levels are soft targets."""

    def build(self) -> "BernoulliPixels":
        return BernoulliPixels()


class GaussianPixels(Likelihood):
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
        return raw * scale + mean

    def log_prob(self, output: Images, pixels: Images) -> Float[Tensor, "*b"]:
        shrink = torch.exp(-self.log_std)
        # Change of variables: (x - m) / s is N(0, 1), and each pixel adds -ln s.
        nats = isotropic_log_prob((pixels * shrink).flatten(-3), (output * shrink).flatten(-3))
        return nats - math.prod(pixels.shape[-3:]) * self.log_std

    def mean(self, output: Tensor) -> Tensor:
        return output


class BernoulliPixels(Likelihood):
    """The output is a logit, relative to the logit of the mean image."""

    def from_network(self, raw: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        return raw + mean.clamp(0.01, 0.99).logit()

    def log_prob(self, output: Images, pixels: Images) -> Float[Tensor, "*b"]:
        return bernoulli_log_prob(output, pixels).flatten(-3).sum(-1)

    def mean(self, output: Tensor) -> Tensor:
        return output.sigmoid()
