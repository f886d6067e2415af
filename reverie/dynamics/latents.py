"""Latents, the stochastic part of a state: distribution, sample and divergence from a network's output.

A latent has no parameters. The same RSSM takes a Gaussian, a categorical or a deterministic one.
"""

from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from reverie.config.checks import at_least, between, positive
from reverie.config.choices import Choice
from reverie.dynamics.base import Noise
from reverie.math.distributions import gumbel, mix_uniform, one_hot_sample
from reverie.math.divergences import categorical_kl, gaussian_kl

D = TypeVar("D")


class Latent(Protocol[D]):
    """A family of distributions with statistics `D`: O = `output_size` outputs of a network for each."""

    sample_size: int
    noise_size: int
    output_size: int

    def stats(self, output: Float[Tensor, "*b O"]) -> D:
        """Return the statistics that a network's output stands for."""

    def initial(self, batch: int, like: Tensor) -> D:
        """Return the statistics before the first observation, of the type and device of `like`."""
        return self.stats(like.new_zeros(batch, self.output_size))

    def sample(self, stats: D, noise: Noise) -> Float[Tensor, "*b Z"]:
        """Return a sample that is differentiable in `stats`; None takes the mean or mode."""

    def divergence(self, posterior: D, prior: D) -> Float[Tensor, "*b"]:
        """Return KL(posterior || prior) in nats if stochastic, the squared distance if not."""

    def noise(self, *shape: int, generator: torch.Generator) -> Float[Tensor, "*shape Z"]:
        """Draw standard normal noise on the generator's device."""
        return torch.randn(*shape, self.noise_size, generator=generator, device=generator.device)

    def sample_std(self, sample: Float[Tensor, "N Z"]) -> Float[Tensor, " K"]:
        """Return the standard deviation over N samples of each dimension or group (`HasFeatureStd`)."""
        return sample.std(0)


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
    """Number Z of dimensions."""
    min_std: float = field(default=0.1, metadata=positive())
    """Lower bound of the standard deviation."""

    def build(self) -> "Gaussian":
        return Gaussian(self)


class Gaussian(Latent[GaussianStats]):
    """`N(mean, std)`, `std = softplus(raw) + min_std`, sampled as `mean + std * noise`."""

    def __init__(self, config: GaussianConfig) -> None:
        self.min_std = config.min_std
        self.sample_size = self.noise_size = config.size
        self.output_size = 2 * config.size

    def stats(self, output: Float[Tensor, "*b O"]) -> GaussianStats:
        mean, raw = output.chunk(2, dim=-1)
        return GaussianStats(mean, F.softplus(raw) + self.min_std)

    def initial(self, batch: int, like: Tensor) -> GaussianStats:
        mean = like.new_zeros(batch, self.sample_size)
        return GaussianStats(mean, torch.ones_like(mean))

    def sample(self, stats: GaussianStats, noise: Noise) -> Float[Tensor, "*b Z"]:
        return stats.mean if noise is None else stats.mean + stats.std * noise

    def divergence(self, posterior: GaussianStats, prior: GaussianStats) -> Float[Tensor, "*b"]:
        return gaussian_kl(posterior.mean, posterior.std, prior.mean, prior.std)


@dataclass(frozen=True)
class CategoricalStats:
    """Log-probabilities, normalized within each group, the groups concatenated (Z = G C)."""

    log_probability: Float[Tensor, "*b Z"]


@dataclass(frozen=True)
class CategoricalConfig(LatentConfig):
    """A categorical latent: G one-hot groups of C classes (DreamerV2, Hafner 2021, Sec. 2)."""

    groups: int = field(default=32, metadata=at_least(1))
    """Number G of groups; a sample has this many ones."""
    classes: int = field(default=32, metadata=at_least(2))
    """Number C of classes in each group."""
    unimix: float = field(default=0.0, metadata=between(0, 1))
    """Share of a uniform distribution in each group, 0.01 in DreamerV3: no class dies out, no divergence is huge."""

    def build(self) -> "Categorical":
        return Categorical(self)


class Categorical(Latent[CategoricalStats]):
    """One-hot samples by the Gumbel-max trick, with the gradient of the probabilities (straight-through).

    The noise is standard Gumbel, (*b, Z). Without noise the sample is the mode of each group.
    """

    def __init__(self, config: CategoricalConfig) -> None:
        self.groups, self.classes, self.unimix = config.groups, config.classes, config.unimix
        self.sample_size = self.noise_size = self.output_size = config.groups * config.classes

    def split_groups(self, x: Float[Tensor, "*b Z"]) -> Float[Tensor, "*b G C"]:
        """Split the last axis into groups and classes."""
        return x.unflatten(-1, (self.groups, self.classes))

    def stats(self, output: Float[Tensor, "*b Z"]) -> CategoricalStats:
        return CategoricalStats(mix_uniform(self.split_groups(output), self.unimix).flatten(-2))

    def sample(self, stats: CategoricalStats, noise: Noise) -> Float[Tensor, "*b Z"]:
        noise = None if noise is None else self.split_groups(noise)
        return one_hot_sample(self.split_groups(stats.log_probability), noise).flatten(-2)

    def divergence(self, posterior: CategoricalStats, prior: CategoricalStats) -> Float[Tensor, "*b"]:
        q, p = (self.split_groups(stats.log_probability) for stats in (posterior, prior))
        return categorical_kl(q, p).sum(-1)

    def noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        return gumbel(*shape, self.noise_size, generator=generator)

    def sample_std(self, sample: Float[Tensor, "N Z"]) -> Float[Tensor, " G"]:
        """Return the root of the summed variance of a group's classes; 0 for a group that never changes."""
        return self.split_groups(sample).var(0).sum(-1).sqrt()


@dataclass(frozen=True)
class DeterministicLatentConfig(LatentConfig):
    """A deterministic latent: the network's output itself."""

    size: int = field(default=30, metadata=at_least(1))
    """Number Z of dimensions."""

    def build(self) -> "DeterministicLatent":
        return DeterministicLatent(self)


class DeterministicLatent(Latent[Tensor]):
    """Statistics and sample are the output, the divergence is the squared distance; there is no noise."""

    def __init__(self, config: DeterministicLatentConfig) -> None:
        self.sample_size = self.output_size = config.size
        self.noise_size = 0

    def stats(self, output: Float[Tensor, "*b Z"]) -> Float[Tensor, "*b Z"]:
        return output

    def sample(self, stats: Float[Tensor, "*b Z"], noise: Float[Tensor, "*b 0"] | None) -> Float[Tensor, "*b Z"]:
        return stats

    def divergence(self, posterior: Float[Tensor, "*b Z"], prior: Float[Tensor, "*b Z"]) -> Float[Tensor, "*b"]:
        return (posterior - prior).square().sum(-1)
