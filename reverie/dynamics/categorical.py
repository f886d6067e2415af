"""A categorical latent: G one-hot groups of C classes (Hafner 2021, DreamerV2, Sec. 2)."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.config.checks import at_least
from reverie.dynamics.latents import LatentConfig
from reverie.math.distributions import gumbel, one_hot_sample
from reverie.math.divergences import categorical_kl


@dataclass(frozen=True)
class CategoricalStats:
    """Log-probabilities, normalized within each group, the groups concatenated (Z = G C)."""

    log_probability: Float[Tensor, "*b Z"]


@dataclass(frozen=True)
class CategoricalConfig(LatentConfig):
    """32 groups of 32 classes, as published: a sample has 1024 numbers, 32 of them 1."""

    groups: int = field(default=32, metadata=at_least(1))
    classes: int = field(default=32, metadata=at_least(2))

    def build(self) -> "Categorical":
        return Categorical(self)


class Categorical:
    """One-hot samples by the Gumbel-max trick, with the gradient of the probabilities (straight-through).

    The noise is standard Gumbel, (*b, Z). Without noise the sample is the mode of each group.
    """

    def __init__(self, config: CategoricalConfig) -> None:
        self.groups, self.classes = config.groups, config.classes
        self.sample_size = self.noise_size = self.output_size = config.groups * config.classes

    def split_groups(self, x: Float[Tensor, "*b Z"]) -> Float[Tensor, "*b G C"]:
        """Split the last axis into groups and classes."""
        return x.unflatten(-1, (self.groups, self.classes))

    def stats(self, output: Float[Tensor, "*b Z"]) -> CategoricalStats:
        return CategoricalStats(self.split_groups(output).log_softmax(-1).flatten(-2))

    def initial(self, batch: int, like: Tensor) -> CategoricalStats:
        return self.stats(like.new_zeros(batch, self.output_size))

    def sample(self, stats: CategoricalStats, noise: Float[Tensor, "*b Z"] | None) -> Float[Tensor, "*b Z"]:
        sample = one_hot_sample(
            self.split_groups(stats.log_probability), None if noise is None else self.split_groups(noise)
        )
        return sample.flatten(-2)

    def divergence(self, posterior: CategoricalStats, prior: CategoricalStats) -> Float[Tensor, "*b"]:
        return categorical_kl(
            self.split_groups(posterior.log_probability), self.split_groups(prior.log_probability)
        ).sum(-1)

    def noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        return gumbel(*shape, self.noise_size, generator=generator)

    def sample_std(self, sample: Float[Tensor, "N Z"]) -> Float[Tensor, " G"]:
        """The root of the summed variance of each group's classes; 0 for a group that never changes."""
        return self.split_groups(sample).var(0).sum(-1).sqrt()
