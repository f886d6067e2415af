"""Likelihoods of pixels in [0, 1] given a decoder's output.

Log-likelihoods are sums over all pixels and channels of an image, in nats. The Gaussian's is a log-density, which may
be positive.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.choices import Choice
from reverie.math.distributions import bernoulli_log_prob, isotropic_log_prob


class Likelihood(Protocol):
    """A module that is a distribution over pixels in [0, 1], given a decoder's output."""

    def from_network(self, raw: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """A network's raw output as the likelihood's, for images of that mean and scale."""
        ...

    def log_prob(self, output: Float[Tensor, "*b h w c"], pixels: Float[Tensor, "*b h w c"]) -> Float[Tensor, "*b"]:
        """In nats, summed over the pixels of an image."""
        ...

    def mean(self, output: Tensor) -> Tensor:
        """The expected pixels."""
        ...


class LikelihoodConfig(Choice):
    """The family of likelihoods of pixels."""

    def build(self) -> Likelihood:
        raise NotImplementedError


@dataclass(frozen=True)
class GaussianPixelsConfig(LikelihoodConfig):
    """`N(mean, std)` for each pixel; `learned` fits a single std, starting from `std` (Rybkin 2021)."""

    std: float = 0.1
    learned: bool = False

    def build(self) -> "GaussianPixels":
        return GaussianPixels(self)


@dataclass(frozen=True)
class BernoulliPixelsConfig(LikelihoodConfig):
    """A Bernoulli for each pixel; gray levels are soft targets."""

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
        """Scale and shift a network's output, given the mean and scale of the images."""
        return raw * scale + mean

    def log_prob(self, output: Float[Tensor, "*b h w c"], pixels: Float[Tensor, "*b h w c"]) -> Float[Tensor, "*b"]:
        shrink = torch.exp(-self.log_std)
        # Change of variables: (x - m) / s is N(0, 1), and each pixel adds -ln s.
        nats = isotropic_log_prob((pixels * shrink).flatten(-3), (output * shrink).flatten(-3))
        return nats - math.prod(pixels.shape[-3:]) * self.log_std

    def mean(self, output: Tensor) -> Tensor:
        """The expected pixels in [0, 1]."""
        return output


class BernoulliPixels(nn.Module):
    """The output is a logit."""

    def from_network(self, raw: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """Add the network's output to the logit of the mean image."""
        return raw + mean.clamp(0.01, 0.99).logit()

    def log_prob(self, output: Float[Tensor, "*b h w c"], pixels: Float[Tensor, "*b h w c"]) -> Float[Tensor, "*b"]:
        return bernoulli_log_prob(output, pixels).flatten(-3).sum(-1)

    def mean(self, output: Tensor) -> Tensor:
        """The expected pixels in [0, 1]."""
        return output.sigmoid()
