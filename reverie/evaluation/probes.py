"""Linear probes: how well a linear function of the features predicts a quantity on held-out data."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

RIDGE = 1e-3
"""Penalty over the features' mean variance. It makes features that never vary harmless."""


def linear_probes(
    features: Float[Tensor, "N F"],
    targets: Float[Tensor, "N K"],
    test_features: Float[Tensor, "M F"],
    test_targets: Float[Tensor, "M K"],
) -> Float[Tensor, " K"]:
    """Return the R^2 on the test data of a ridge regression with an offset (Alain & Bengio 2016), in double precision.

    1: all of the variance, 0: none. NaN for a target that does not vary in the test data.
    """
    mean, offset = features.double().mean(0), targets.double().mean(0)
    centered = features.double() - mean
    covariance = centered.T @ centered / len(centered)
    penalty = RIDGE * covariance.diagonal().mean().clamp(min=1e-12) * torch.eye(len(mean)).to(covariance)
    weight = torch.linalg.solve(covariance + penalty, centered.T @ (targets - offset) / len(centered))
    predicted = (test_features.double() - mean) @ weight + offset
    error = (test_targets.double() - predicted).square().mean(0)
    variance = test_targets.double().var(0, correction=0)
    return torch.where(variance > 0, 1 - error / variance, torch.nan)


def rank_correlation(x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"]) -> float:
    """Return Spearman's correlation, of ranks that equal values share. NaN if one argument is constant."""
    ranks = np.zeros((2, len(x)))
    for row, values in enumerate((x, y)):
        _, place, count = np.unique(values, return_inverse=True, return_counts=True)
        ranks[row] = (np.cumsum(count) - (count + 1) / 2)[place]
    covariance = np.cov(ranks)
    scale = np.sqrt(covariance[0, 0] * covariance[1, 1])
    return float(covariance[0, 1] / scale) if scale > 0 else float("nan")
