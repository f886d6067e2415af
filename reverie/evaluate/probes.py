"""What a latent state knows: how much a linear function of the features tells of a quantity, on data held out."""

import torch
from jaxtyping import Float
from torch import Tensor

RIDGE = 1e-3
"""Of the features' mean variance: enough that features which never vary do no harm."""


def linear_probe(
    features: Float[Tensor, "N F"],
    target: Float[Tensor, " N"],
    test_features: Float[Tensor, "M F"],
    test_target: Float[Tensor, " M"],
) -> float:
    """R^2 on the test data of a ridge regression with an offset: 1 all of the variance, 0 none, below 0 worse still.

    Alain & Bengio 2016 (probes of representations); computed in double precision.
    """
    mean, offset = features.double().mean(0), target.double().mean()
    centred = features.double() - mean
    covariance = centred.T @ centred / len(centred)
    penalty = RIDGE * covariance.diagonal().mean().clamp(min=1e-12) * torch.eye(len(mean), dtype=torch.float64)
    weight = torch.linalg.solve(covariance + penalty, centred.T @ (target.double() - offset) / len(centred))
    found = (test_features.double() - mean) @ weight + offset
    left = (test_target.double() - found).square().mean()
    return float(1 - left / test_target.double().var(correction=0))
