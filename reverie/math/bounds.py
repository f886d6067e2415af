"""Bounds on a log-likelihood from posterior samples, in nats, and active latent units."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def importance_weighted_bound(log_weights: Float[Tensor, "K *b"]) -> Float[Tensor, "*b"]:
    """`ln (1/K) sum_k w_k`, in expectation at most `ln p(x)` and tight as K grows (Burda 2016, Eq. 8).

    `ln w_k = ln p(x|z_k) + ln p(z_k) - ln q(z_k|x)` for samples z_k of q. K = 1 is the usual variational bound.
    """
    return torch.logsumexp(log_weights, 0) - math.log(log_weights.shape[0])


def active_units(posterior_mean: Float[Tensor, "N Z"], threshold: float = 0.01) -> Bool[Tensor, " Z"]:
    """Find the latent units that depend on the observation: `Var_x E_q[z|x] > threshold` (Burda 2016, Sec. 5.2)."""
    return posterior_mean.var(0) > threshold
