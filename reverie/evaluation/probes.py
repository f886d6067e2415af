"""Linear probes: how well a linear function of the features predicts a quantity on held-out data."""

import numpy as np
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
    return float(linear_probes(features, target[:, None], test_features, test_target[:, None])[0])


def linear_probes(
    features: Float[Tensor, "N F"],
    targets: Float[Tensor, "N K"],
    test_features: Float[Tensor, "M F"],
    test_targets: Float[Tensor, "M K"],
) -> Float[Tensor, " K"]:
    """`linear_probe` of several quantities; NaN for one that does not vary in the test data."""
    mean, offset = features.double().mean(0), targets.double().mean(0)
    centered = features.double() - mean
    covariance = centered.T @ centered / len(centered)
    penalty = RIDGE * covariance.diagonal().mean().clamp(min=1e-12) * torch.eye(len(mean), dtype=torch.float64)
    weight = torch.linalg.solve(covariance + penalty.to(mean.device), centered.T @ (targets - offset) / len(centered))
    predicted = (test_features.double() - mean) @ weight + offset
    error = (test_targets.double() - predicted).square().mean(0)
    variance = test_targets.double().var(0, correction=0)
    return torch.where(variance > 0, 1 - error / variance, torch.nan)


def rank_correlation(x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"]) -> float:
    """Spearman's: the correlation of the ranks, where equal values share the mean of theirs. NaN if one is constant."""
    ranks = np.stack([_ranks(x), _ranks(y)])
    spread = ranks.std(1)
    centered = ranks - ranks.mean(1, keepdims=True)
    return float((centered[0] * centered[1]).mean() / spread.prod()) if spread.all() else float("nan")


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count + 1) / 2)[place]
