"""The base of the image models: the two terms of the variational bound, and an importance-weighted estimate.

    ln p(x | c) >= E_q ln p(x | z, c) - KL(q(z | x, c) || p(z | c))        reconstruction - complexity

Kingma & Welling 2014, Eq. 3; with a condition c Sohn 2015, Eq. 4. A world model maximizes the same bound at each step
(`signals.reconstruction` and `signals.divergence`), where the condition is its prior belief.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.config.checks import at_least
from reverie.config.choices import Choice
from reverie.dynamics.latents import GaussianConfig, GaussianStats
from reverie.errors import UserError
from reverie.math import ranks
from reverie.math.bounds import active_units, importance_weighted_bound
from reverie.math.distributions import diagonal_log_prob
from reverie.math.divergences import free_nats
from reverie.models.base import Model
from reverie.models.likelihoods import BernoulliPixelsConfig, Images, LikelihoodConfig
from reverie.nn.image import ImageConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.normalize import Normalize
from reverie.nn.optimizer import AdamConfig, OptimizerConfig
from reverie.spaces import EnvSpec
from reverie.types import Batch, Metrics

Condition = Float[Tensor, "*b C"]


@dataclass(frozen=True)
class Targets:
    """Images to model: `pixels` in [0, 1], the same `image` normalized for the encoder, and the `condition`."""

    pixels: Float[Tensor, "B T h w c"]
    image: Float[Tensor, "B T h w c"]
    condition: Float[Tensor, "B T C"]
    mask: Float[Tensor, "B T"]
    """1 for the images that count, 0 for the others, such as a frame without a frame before it."""

    @property
    def weights(self) -> Float[Tensor, "B T"]:
        """Scale `mask` so that a weighted mean over all steps is the mean over the images that count."""
        return self.mask / ranks.mean(self.mask.mean()).clamp(min=1e-6)


@dataclass(frozen=True)
class Inference:
    """Targets, and the model's distributions, sample and decoder output for them."""

    targets: Targets
    prior: GaussianStats
    posterior: GaussianStats
    sample: Float[Tensor, "B T Z"]
    output: Float[Tensor, "B T h w c"]


@dataclass(frozen=True)
class GenerativeConfig(Choice):
    """The family of static models of single images, and the settings that all of them have."""

    image: ImageConfig = field(default_factory=lambda: MLPConfig(2, 256))
    """Networks that read and draw an image."""
    latent: GaussianConfig = field(default_factory=lambda: GaussianConfig(size=16, min_std=1e-3))
    """The distribution of z."""
    likelihood: LikelihoodConfig = field(default_factory=BernoulliPixelsConfig)
    """The distribution of pixels in [0, 1], given z."""
    beta: float = field(default=1.0, metadata=at_least(0))
    """Weight of the divergence; 1 gives the variational bound (Higgins 2017 for others)."""
    free: float = field(default=0.0, metadata=at_least(0))
    """Free nats: a mean divergence below this many nats costs nothing."""
    optimizer: OptimizerConfig = field(default_factory=lambda: AdamConfig(lr=1e-3))
    """The optimizer of all parameters."""

    @property
    def least_length(self) -> int:
        """The least number of steps in a sequence of which the model learns."""
        return 1

    def build(self, spec: EnvSpec) -> "GenerativeModel":
        raise NotImplementedError


class GenerativeModel(Model[Tensor, Inference], ABC):
    """A model of single images. A subclass defines the three distributions of the bound, and the condition if any."""

    def __init__(self, config: GenerativeConfig, spec: EnvSpec) -> None:
        super().__init__()
        images = sorted(name for name, space in spec.obs.items() if space.is_image)
        if len(images) != 1:
            raise UserError(
                f"A generative model needs exactly one image, and these data have {len(images)}: choose one with "
                "--data.env.observe."
            )
        self.name = images[0]
        self.shape = spec.obs[self.name].shape
        self.weights, self.free = {"reconstruction": 1.0, "divergence": config.beta}, config.free
        self.normalize = Normalize(spec, bits=8)
        self.latent, self.likelihood = config.latent.build(), config.likelihood.build()

    def targets(self, batch: Batch) -> Targets:
        image = self.normalize(batch.obs)[self.name]
        return Targets(batch.obs[self.name].to(image.dtype) / 255, image, self.condition(batch), self.mask(batch))

    def condition(self, batch: Batch) -> Float[Tensor, "B T C"]:
        """Return the condition of each image, here none (C = 0)."""
        return batch.reward.new_zeros(*batch.reward.shape, 0)

    def mask(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return `Targets.mask`, here 1 for every image."""
        return torch.ones_like(batch.reward)

    @abstractmethod
    def posterior(self, image: Images, condition: Condition) -> GaussianStats:
        """`q(z | x, c)`"""

    @abstractmethod
    def decode(self, sample: Float[Tensor, "*b Z"], condition: Condition) -> Images:
        """Return the parameters of `p(x | z, c)`; `likelihood.mean` of them is an image in about [0, 1]."""

    def prior(self, condition: Condition) -> GaussianStats:
        """`p(z | c)`, here `N(0, I)`, which needs no condition."""
        mean = condition.new_zeros(*condition.shape[:-1], self.latent.sample_size)
        return GaussianStats(mean, torch.ones_like(mean))

    def to_likelihood(self, raw: Images) -> Images:
        """Turn a decoder network's output into the likelihood's parameters, relative to the mean image."""
        return self.likelihood.from_network(raw, *self.normalize.statistics(self.name))

    def noise(self, batch: int, length: int, generator: torch.Generator) -> Float[Tensor, "B T Z"]:
        return self.latent.noise(batch, length, generator=generator)

    def trace(self, batch: Batch, noise: Float[Tensor, "B T Z"] | None) -> Inference:
        """Infer each image's posterior and decode one sample of it, or its mean without noise."""
        targets = self.targets(batch)
        posterior = self.posterior(targets.image, targets.condition)
        sample = self.latent.sample(posterior, noise)
        output = self.decode(sample, targets.condition)
        return Inference(targets, self.prior(targets.condition), posterior, sample, output)

    def losses(self, trace: Inference) -> dict[str, Float[Tensor, "B T"]]:
        """`reconstruction` -ln p(x|z) and `divergence` KL(q || p) with free nats; masked images cost nothing."""
        weights = trace.targets.weights
        nats = -self.likelihood.log_prob(trace.output, trace.targets.pixels)
        divergence = free_nats(self.latent.divergence(trace.posterior, trace.prior) * weights, self.free, "mean")
        return {"reconstruction": nats * weights, "divergence": divergence}

    @torch.no_grad()
    def metrics(self, trace: Inference, losses: dict[str, Tensor]) -> Metrics:
        """Both terms, the bound, and the fraction of active latent units in this batch."""
        divergence = (self.latent.divergence(trace.posterior, trace.prior) * trace.targets.weights).mean()
        return {
            **{f"loss/{name}": loss.mean() for name, loss in losses.items()},
            "divergence": divergence,
            "bound": -losses["reconstruction"].mean() - divergence,
            "active_units": active_units(ranks.gather(trace.posterior.mean.flatten(0, -2))).float().mean(),
        }

    def evidence(self, batch: Batch, noise: Float[Tensor, "K B T Z"]) -> Float[Tensor, "B T"]:
        """Estimate `ln p(x | c)` with K samples of the posterior, in nats an image.

        The weight of a sample z is `ln p(x|z) + ln p(z) - ln q(z|x)`; its mean is the variational bound.
        """
        targets = self.targets(batch)
        prior, posterior = self.prior(targets.condition), self.posterior(targets.image, targets.condition)
        log_weights = []
        for noise_BTZ in noise:
            sample = self.latent.sample(posterior, noise_BTZ)
            log_likelihood = self.likelihood.log_prob(self.decode(sample, targets.condition), targets.pixels)
            log_prior = diagonal_log_prob(sample, prior.mean, prior.std)
            log_weights.append(log_likelihood + log_prior - diagonal_log_prob(sample, posterior.mean, posterior.std))
        return importance_weighted_bound(torch.stack(log_weights))

    def imagine(self, condition: Condition, noise: Float[Tensor, "*b Z"]) -> Images:
        """Sample images in [0, 1] from the prior: the likelihood's mean for `z ~ p(z | c)`."""
        sample = self.latent.sample(self.prior(condition), noise)
        return self.likelihood.mean(self.decode(sample, condition)).clamp(0, 1)
