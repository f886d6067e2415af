"""What the static models share: the variational bound in its two halves, and the estimate that checks it.

    ln p(x | c) >= E_q ln p(x | z, c) - KL(q(z | x, c) || p(z | c))        reconstruction - complexity

Kingma & Welling 2014, Eq. 3; with a condition c Sohn 2015, Eq. 4. It is one step of the bound that the dynamics
maximize (`signals.reconstruction` and `signals.divergence`): their belief before the observation is the condition.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.dynamics.latents import Gaussian, GaussianStats
from reverie.errors import UserError
from reverie.math.bounds import active_units, importance_weighted_bound, log_weight
from reverie.math.distributions import diagonal_log_prob
from reverie.math.divergences import free_nats
from reverie.models.likelihoods import Likelihood
from reverie.nn.normalize import Normalize
from reverie.spaces import EnvSpec
from reverie.types import Batch, Metrics


@dataclass(frozen=True)
class Targets:
    """What is to be explained: `pixels` in [0, 1], the same `image` as the encoder sees it, and the `condition`.

    `counts` is 1 where the step counts, else 0 (a frame that nothing came before).
    """

    pixels: Float[Tensor, "B T h w c"]
    image: Float[Tensor, "B T h w c"]
    condition: Float[Tensor, "B T C"]
    mask: Float[Tensor, "B T"]

    @property
    def weights(self) -> Float[Tensor, "B T"]:
        """`counts` scaled so that a mean over all steps is the mean over those that count."""
        return self.mask / self.mask.mean().clamp(min=1e-6)


@dataclass(frozen=True)
class Inference:
    """A question, and how the model explains it."""

    targets: Targets
    prior: GaussianStats
    posterior: GaussianStats
    sample: Float[Tensor, "B T Z"]
    output: Float[Tensor, "B T h w c"]


class GenerativeModel(nn.Module, ABC):
    """Implements `Model` for images that are explained one by one. `free` nats of the complexity cost nothing."""

    latent: Gaussian
    likelihood: Likelihood

    def __init__(self, spec: EnvSpec, beta: float, free: float) -> None:
        super().__init__()
        images = sorted(name for name, space in spec.obs.items() if space.is_image)
        if len(images) != 1:
            raise UserError(
                f"A generative model draws one image, and these data have {len(images)}: choose one with "
                "--data.env.observe."
            )
        self.name = images[0]
        self.shape = spec.obs[self.name].shape
        self.weights, self.free = {"reconstruction": 1.0, "divergence": beta}, free
        self.normalize = Normalize(spec)

    @abstractmethod
    def targets(self, batch: Batch) -> Targets:
        """What of the batch is to be explained, and by what."""

    @abstractmethod
    def prior(self, condition: Float[Tensor, "*b C"]) -> GaussianStats:
        """`p(z | c)`"""

    @abstractmethod
    def posterior(self, image: Float[Tensor, "*b h w c"], condition: Float[Tensor, "*b C"]) -> GaussianStats:
        """`q(z | x, c)`"""

    @abstractmethod
    def decode(self, sample: Float[Tensor, "*b Z"], condition: Float[Tensor, "*b C"]) -> Float[Tensor, "*b h w c"]:
        """The likelihood's parameters; `likelihood.mean` of them is a picture with values in about [0, 1]."""

    def noise(self, batch: int, length: int, generator: torch.Generator) -> Float[Tensor, "B T Z"]:
        """Standard noise of one trace."""
        return self.latent.noise(batch, length, generator=generator)

    def calibrate(self, batch: Batch) -> None:
        """Set the mean image and the scale of what differs from it."""
        self.normalize.calibrate(batch.obs)

    def to_likelihood(self, raw: Float[Tensor, "*b h w c"]) -> Float[Tensor, "*b h w c"]:
        """A decoder network's output as the likelihood's parameters: the mean image is not left for it to learn."""
        return self.likelihood.from_network(raw, *self.normalize.statistics(self.name))

    def trace(self, batch: Batch, noise: Float[Tensor, "B T Z"] | None) -> Inference:
        """Explain each image by one sample of its posterior, or by the posterior's mean without noise."""
        targets = self.targets(batch)
        posterior = self.posterior(targets.image, targets.condition)
        sample = self.latent.sample(posterior, noise)
        output = self.decode(sample, targets.condition)
        return Inference(targets, self.prior(targets.condition), posterior, sample, output)

    def losses(self, trace: Inference) -> dict[str, Float[Tensor, "B T"]]:
        """`reconstruction` -ln p(x|z) and `divergence` KL(q || p) less free nats; steps that do not count are 0."""
        share = trace.targets.weights
        nats = -self.likelihood.log_prob(trace.output, trace.targets.pixels)
        complexity = free_nats(self.latent.divergence(trace.posterior, trace.prior) * share, self.free, "mean")
        return {"reconstruction": nats * share, "divergence": complexity}

    def total(self, losses: dict[str, Float[Tensor, "B T"]]) -> Float[Tensor, ""]:
        """Reconstruction and `beta` times complexity: the negative bound for beta 1 (Higgins 2017 for others)."""
        return torch.stack([self.weights[name] * loss.mean() for name, loss in losses.items()]).sum()

    def metrics(self, trace: Inference, losses: dict[str, Tensor]) -> Metrics:
        """Both halves, the bound itself, and the share of latent units that the image reaches in this batch."""
        with torch.no_grad():
            complexity = (self.latent.divergence(trace.posterior, trace.prior) * trace.targets.weights).mean()
            return {
                **{f"loss/{name}": loss.mean() for name, loss in losses.items()},
                "divergence": complexity,
                "bound": -losses["reconstruction"].mean() - complexity,
                "active_units": active_units(trace.posterior.mean.flatten(0, -2)).float().mean(),
            }

    def evidence(self, batch: Batch, noise: Float[Tensor, "K B T Z"]) -> Float[Tensor, "B T"]:
        """The importance-weighted estimate of `ln p(x | c)` by K samples of the posterior, in nats an image."""
        targets = self.targets(batch)
        prior, posterior = self.prior(targets.condition), self.posterior(targets.image, targets.condition)
        weights = []
        for noise_BTZ in noise:
            sample = self.latent.sample(posterior, noise_BTZ)
            weights.append(
                log_weight(
                    self.likelihood.log_prob(self.decode(sample, targets.condition), targets.pixels),
                    diagonal_log_prob(sample, prior.mean, prior.std),
                    diagonal_log_prob(sample, posterior.mean, posterior.std),
                )
            )
        return importance_weighted_bound(torch.stack(weights))

    def imagine(self, condition: Float[Tensor, "*b C"], noise: Float[Tensor, "*b Z"]) -> Float[Tensor, "*b h w c"]:
        """Pictures from the prior, in [0, 1]: the mean of the likelihood for `z ~ p(z | c)`."""
        sample = self.latent.sample(self.prior(condition), noise)
        return self.likelihood.mean(self.decode(sample, condition)).clamp(0, 1)
