"""Probabilistic PCA as the one variational autoencoder whose likelihood is known (Tipping & Bishop 1999; Lucas 2019).

    x = W z + m + s e,  z ~ N(0, I), e ~ N(0, I)        x ~ N(m, W W^T + s^2 I)

With a linear decoder and the exact posterior, which is Gaussian, diagonal for the W below and linear in x, the bound is
the log-likelihood itself.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.models.likelihoods import GaussianPixels
from reverie.models.vae import VAE


@dataclass(frozen=True)
class PCA:
    """The maximum-likelihood solution (Tipping & Bishop 1999, Eq. 7 and 8), in double precision."""

    mean: Float[Tensor, " D"]
    weight: Float[Tensor, "D Z"]
    variance: Float[Tensor, ""]
    """s^2, the mean of the eigenvalues that were left out."""
    eigenvalues: Float[Tensor, " Z"]

    def log_prob(self, x: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
        """The exact `ln p(x)`, in nats."""
        covariance = self.weight @ self.weight.T + self.variance * torch.eye(len(self.mean), dtype=x.dtype)
        return torch.distributions.MultivariateNormal(self.mean, covariance).log_prob(x)


def solve(x: Float[Tensor, "N D"], size: int) -> PCA:
    """The best model of `size` latent dimensions: the leading eigenvectors of the covariance, scaled."""
    x = x.double()
    mean = x.mean(0)
    values, vectors = torch.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    variance = values[:-size].mean()
    return PCA(mean, vectors[:, -size:] * (values[-size:] - variance).sqrt(), variance, values[-size:])


@torch.no_grad()
def install(pca: PCA, model: VAE) -> None:
    """Give a linear, calibrated `model` the solution's weights: its decoder, and the exact posterior as its encoder.

    The posterior is `N(L^-1 W^T (x - m), s^2 L^-1)`, L the leading eigenvalues.
    """
    mean, scale = model.normalize.statistics(model.name)
    decoder, head = _linear(model.decoder), _linear(model.head)
    decoder.weight.copy_(pca.weight / scale)
    decoder.bias.copy_((pca.mean - mean.flatten()) / scale)
    head.weight.zero_()
    size = len(pca.eigenvalues)
    head.weight[:size] = pca.weight.T / pca.eigenvalues[:, None] * scale
    std = (pca.variance / pca.eigenvalues).sqrt() - model.latent.min_std
    offset = head.weight[:size].double() @ ((mean.flatten() - pca.mean) / scale)
    head.bias.copy_(torch.cat([offset, std.expm1().log()]))
    likelihood = model.likelihood
    assert isinstance(likelihood, GaussianPixels)
    likelihood.log_std.copy_(0.5 * pca.variance.log())


def exact_log_prob(model: VAE, x: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
    """`ln p(x)` of what a linear, calibrated `model` has learned, in double precision."""
    mean, scale = (part.double() for part in model.normalize.statistics(model.name))
    decoder, likelihood = _linear(model.decoder), model.likelihood
    assert isinstance(likelihood, GaussianPixels)
    weight, bias = decoder.weight.detach().double(), decoder.bias.detach().double()
    variance = (2 * likelihood.log_std.detach().double()).exp()
    learned = PCA(bias * scale + mean.flatten(), weight * scale, variance, torch.ones(weight.shape[1]))
    return learned.log_prob(x.double())


def _linear(module: nn.Module) -> nn.Linear:
    """The only linear layer of a module; ValueError if there are more."""
    (layer,) = [part for part in module.modules() if isinstance(part, nn.Linear)]
    return layer
