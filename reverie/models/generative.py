"""The base of the image models: the two terms of the variational bound, and an importance-weighted estimate.

    ln p(x | c) >= E_q ln p(x | z, c) - KL(q(z | x, c) || p(z | c))        reconstruction - complexity

Kingma & Welling 2014, Eq. 3; with a condition c Sohn 2015, Eq. 4. A world model maximizes the same
bound at each step (`signals.reconstruction` and `signals.divergence`), with its prior belief as the condition.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.choices import Choice
from reverie.dynamics.latents import Gaussian, GaussianStats
from reverie.errors import UserError
from reverie.math.bounds import active_units, importance_weighted_bound, log_weight
from reverie.math.distributions import diagonal_log_prob
from reverie.math.divergences import free_nats
from reverie.models.likelihoods import Likelihood
from reverie.nn.normalize import Normalize
from reverie.nn.optimizer import AdamConfig
from reverie.spaces import EnvSpec
from reverie.types import Batch, Metrics


@dataclass(frozen=True)
class Targets:
    """Images to model: `pixels` in [0, 1], the same `image` normalized for the encoder, and the `condition`.

    `mask` is 1 for the images that count and 0 for the others (a frame without a frame before it).
    """

    pixels: Float[Tensor, "B T h w c"]
    image: Float[Tensor, "B T h w c"]
    condition: Float[Tensor, "B T C"]
    mask: Float[Tensor, "B T"]

    @property
    def weights(self) -> Float[Tensor, "B T"]:
        """`mask`, scaled so that a weighted mean over all steps is the mean over those that count."""
        return self.mask / self.mask.mean().clamp(min=1e-6)


@dataclass(frozen=True)
class Inference:
    """Targets, and the model's distributions, sample and decoder output for them."""

    targets: Targets
    prior: GaussianStats
    posterior: GaussianStats
    sample: Float[Tensor, "B T Z"]
    output: Float[Tensor, "B T h w c"]


class GenerativeConfig(Choice):
    """The family of static models of single images."""

    optimizer: AdamConfig

    def build(self, spec: EnvSpec) -> "GenerativeModel":
        raise NotImplementedError


class GenerativeModel(nn.Module, ABC):
    """Implements `Model` for single images. `free` nats of the divergence cost nothing."""

    latent: Gaussian
    likelihood: Likelihood

    def __init__(self, spec: EnvSpec, beta: float, free: float) -> None:
        super().__init__()
        images = sorted(name for name, space in spec.obs.items() if space.is_image)
        if len(images) != 1:
            raise UserError(
                f"A generative model needs exactly one image, and these data have {len(images)}: choose one with "
                "--data.env.observe."
            )
        self.name = images[0]
        self.shape = spec.obs[self.name].shape
        self.weights, self.free = {"reconstruction": 1.0, "divergence": beta}, free
        self.normalize = Normalize(spec)

    @abstractmethod
    def targets(self, batch: Batch) -> Targets:
        """The images of a batch, their conditions and their mask."""

    @abstractmethod
    def prior(self, condition: Float[Tensor, "*b C"]) -> GaussianStats:
        """`p(z | c)`"""

    @abstractmethod
    def posterior(self, image: Float[Tensor, "*b h w c"], condition: Float[Tensor, "*b C"]) -> GaussianStats:
        """`q(z | x, c)`"""

    @abstractmethod
    def decode(self, sample: Float[Tensor, "*b Z"], condition: Float[Tensor, "*b C"]) -> Float[Tensor, "*b h w c"]:
        """The likelihood's parameters; `likelihood.mean` of them is an image in about [0, 1]."""

    def standard_normal(self, condition: Float[Tensor, "*b C"]) -> GaussianStats:
        """`N(0, I)`, the prior that needs no condition."""
        mean = condition.new_zeros(*condition.shape[:-1], self.latent.sample_size)
        return GaussianStats(mean, torch.ones_like(mean))

    def noise(self, batch: int, length: int, generator: torch.Generator) -> Float[Tensor, "B T Z"]:
        """Draw the standard noise of one trace."""
        return self.latent.noise(batch, length, generator=generator)

    def calibrate(self, batch: Batch) -> None:
        """Set the mean image, and the scale of the differences from it."""
        self.normalize.calibrate(batch.obs)

    def to_likelihood(self, raw: Float[Tensor, "*b h w c"]) -> Float[Tensor, "*b h w c"]:
        """Turn a decoder network's output into the likelihood's parameters, relative to the mean image."""
        return self.likelihood.from_network(raw, *self.normalize.statistics(self.name))

    def trace(self, batch: Batch, noise: Float[Tensor, "B T Z"] | None) -> Inference:
        """Infer each image's posterior and decode one sample of it, or its mean without noise."""
        targets = self.targets(batch)
        posterior = self.posterior(targets.image, targets.condition)
        sample = self.latent.sample(posterior, noise)
        output = self.decode(sample, targets.condition)
        return Inference(targets, self.prior(targets.condition), posterior, sample, output)

    def losses(self, trace: Inference) -> dict[str, Float[Tensor, "B T"]]:
        """`reconstruction` -ln p(x|z) and `divergence` KL(q || p) less the free nats; 0 where the mask is."""
        weights = trace.targets.weights
        nats = -self.likelihood.log_prob(trace.output, trace.targets.pixels)
        divergence = free_nats(self.latent.divergence(trace.posterior, trace.prior) * weights, self.free, "mean")
        return {"reconstruction": nats * weights, "divergence": divergence}

    def total(self, losses: dict[str, Float[Tensor, "B T"]]) -> Float[Tensor, ""]:
        """Reconstruction plus `beta` times divergence: the negative bound for beta 1 (Higgins 2017 for others)."""
        return torch.stack([self.weights[name] * loss.mean() for name, loss in losses.items()]).sum()

    def metrics(self, trace: Inference, losses: dict[str, Tensor]) -> Metrics:
        """Both terms, the bound, and the fraction of active latent units in this batch."""
        with torch.no_grad():
            divergence = (self.latent.divergence(trace.posterior, trace.prior) * trace.targets.weights).mean()
            return {
                **{f"loss/{name}": loss.mean() for name, loss in losses.items()},
                "divergence": divergence,
                "bound": -losses["reconstruction"].mean() - divergence,
                "active_units": active_units(trace.posterior.mean.flatten(0, -2)).float().mean(),
            }

    def evidence(self, batch: Batch, noise: Float[Tensor, "K B T Z"]) -> Float[Tensor, "B T"]:
        """Estimate `ln p(x | c)` by importance weighting with K samples of the posterior, in nats an image."""
        targets = self.targets(batch)
        prior, posterior = self.prior(targets.condition), self.posterior(targets.image, targets.condition)
        log_weights = []
        for noise_BTZ in noise:
            sample = self.latent.sample(posterior, noise_BTZ)
            log_weights.append(
                log_weight(
                    self.likelihood.log_prob(self.decode(sample, targets.condition), targets.pixels),
                    diagonal_log_prob(sample, prior.mean, prior.std),
                    diagonal_log_prob(sample, posterior.mean, posterior.std),
                )
            )
        return importance_weighted_bound(torch.stack(log_weights))

    def imagine(self, condition: Float[Tensor, "*b C"], noise: Float[Tensor, "*b Z"]) -> Float[Tensor, "*b h w c"]:
        """Sample images in [0, 1] from the prior: the likelihood's mean for `z ~ p(z | c)`."""
        sample = self.latent.sample(self.prior(condition), noise)
        return self.likelihood.mean(self.decode(sample, condition)).clamp(0, 1)
