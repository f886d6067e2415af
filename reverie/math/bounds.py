"""Bounds on a log-likelihood from posterior samples, in nats, and active latent units."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def log_weight(
    log_likelihood: Float[Tensor, "*b"], log_prior: Float[Tensor, "*b"], log_posterior: Float[Tensor, "*b"]
) -> Float[Tensor, "*b"]:
    """`ln w = ln p(x|z) + ln p(z) - ln q(z|x)` for a sample z of q; its mean is the variational bound."""
    return log_likelihood + log_prior - log_posterior


def importance_weighted_bound(log_weights: Float[Tensor, "K *b"]) -> Float[Tensor, "*b"]:
    """`ln (1/K) sum_k w_k`, in expectation at most `ln p(x)` and tight as K grows (Burda 2016, Eq. 8).

    K = 1 is the usual bound.
    """
    return torch.logsumexp(log_weights, 0) - math.log(log_weights.shape[0])


def active_units(posterior_mean: Float[Tensor, "N Z"], threshold: float = 0.01) -> Bool[Tensor, " Z"]:
    """Which latent units depend on the observation: `Var_x E_q[z|x] > threshold` (Burda 2016, Sec. 5.2)."""
    return posterior_mean.var(0) > threshold
