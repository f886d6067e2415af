"""Latents, the stochastic part of a state: distribution, sample and divergence from a network's output.

A latent has no parameters. The same RSSM takes a Gaussian, a deterministic or a categorical one
(`dynamics.categorical`).
"""

from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from reverie.config.checks import at_least
from reverie.config.choices import Choice
from reverie.math.divergences import gaussian_kl

D = TypeVar("D")


class Latent(Protocol[D]):
    """A family of distributions: a network's output as stats `D`, a sample of them, a divergence between two."""

    sample_size: int
    noise_size: int
    output_size: int
    """Outputs of the network for one distribution, O."""

    def stats(self, output: Float[Tensor, "*b O"]) -> D: ...

    def initial(self, batch: int, like: Tensor) -> D: ...

    def sample(self, stats: D, noise: Tensor | None) -> Float[Tensor, "*b Z"]: ...

    def divergence(self, posterior: D, prior: D) -> Float[Tensor, "*b"]: ...

    def noise(self, *shape: int, generator: torch.Generator) -> Tensor: ...

    def sample_std(self, sample: Float[Tensor, "N Z"]) -> Float[Tensor, " K"]:
        """The standard deviation over N samples of each dimension, or of each group (`HasFeatureStd`)."""
        ...


class LatentConfig(Choice):
    """The family of latents: the stochastic part of a state."""

    def build(self) -> Latent:
        raise NotImplementedError


@dataclass(frozen=True)
class GaussianStats:
    """Mean and standard deviation of a diagonal Gaussian."""

    mean: Float[Tensor, "*b Z"]
    std: Float[Tensor, "*b Z"]


@dataclass(frozen=True)
class GaussianConfig(LatentConfig):
    """A diagonal Gaussian latent (PlaNet, Dreamer V1)."""

    size: int = field(default=30, metadata=at_least(1))
    min_std: float = 0.1

    def build(self) -> "Gaussian":
        return Gaussian(self)


class Gaussian:
    """`N(mean, std)`, `std = softplus(raw) + min_std`, sampled as `mean + std * noise`."""

    def __init__(self, config: GaussianConfig) -> None:
        self.min_std = config.min_std
        self.sample_size = config.size
        self.noise_size = config.size
        self.output_size = 2 * config.size

    def stats(self, output: Float[Tensor, "*b O"]) -> GaussianStats:
        mean, raw = output.chunk(2, dim=-1)
        return GaussianStats(mean, F.softplus(raw) + self.min_std)

    def initial(self, batch: int, like: Tensor) -> GaussianStats:
        mean = like.new_zeros(batch, self.sample_size)
        return GaussianStats(mean, torch.ones_like(mean))

    def sample(self, stats: GaussianStats, noise: Float[Tensor, "*b Z"] | None) -> Float[Tensor, "*b Z"]:
        return stats.mean if noise is None else stats.mean + stats.std * noise

    def divergence(self, posterior: GaussianStats, prior: GaussianStats) -> Float[Tensor, "*b"]:
        return gaussian_kl(posterior.mean, posterior.std, prior.mean, prior.std)

    def noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        return torch.randn(*shape, self.noise_size, generator=generator, device=generator.device)

    def sample_std(self, sample: Float[Tensor, "N Z"]) -> Float[Tensor, " Z"]:
        return sample.std(0)


@dataclass(frozen=True)
class PointStats:
    """A point: the sample itself."""

    value: Float[Tensor, "*b Z"]


@dataclass(frozen=True)
class DeterministicLatentConfig(LatentConfig):
    """A deterministic latent: the network's output itself."""

    size: int = field(default=30, metadata=at_least(1))

    def build(self) -> "DeterministicLatent":
        return DeterministicLatent(self)


class DeterministicLatent:
    """The sample is the output, the divergence the squared distance; it takes no noise."""

    def __init__(self, config: DeterministicLatentConfig) -> None:
        self.sample_size = self.output_size = config.size
        self.noise_size = 0

    def stats(self, output: Float[Tensor, "*b O"]) -> PointStats:
        return PointStats(output)

    def initial(self, batch: int, like: Tensor) -> PointStats:
        return PointStats(like.new_zeros(batch, self.sample_size))

    def sample(self, stats: PointStats, noise: Float[Tensor, "*b 0"] | None) -> Float[Tensor, "*b Z"]:
        return stats.value

    def divergence(self, posterior: PointStats, prior: PointStats) -> Float[Tensor, "*b"]:
        return (posterior.value - prior.value).square().sum(-1)

    def noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        return torch.zeros(*shape, 0, device=generator.device)

    def sample_std(self, sample: Float[Tensor, "N Z"]) -> Float[Tensor, " Z"]:
        return sample.std(0)
