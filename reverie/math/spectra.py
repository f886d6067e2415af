"""Effective dimension and scale of a set of vectors, which measure collapse, and correlations of two sets."""

import torch
from jaxtyping import Float
from torch import Tensor


def covariance(vectors: Float[Tensor, "N D"]) -> Float[Tensor, "D D"]:
    """`C = sum_n (x_n - mean) (x_n - mean)^T / (N - 1)`; 0 for a single vector."""
    centered = vectors - vectors.mean(0)
    return centered.T @ centered / max(vectors.shape[0] - 1, 1)


def cross_correlation(
    x: Float[Tensor, "N D"], y: Float[Tensor, "N E"], weight: Float[Tensor, " N"]
) -> Float[Tensor, "D E"]:
    """`C_ij = sum_n w_n x_ni y_nj / sum_n w_n` for standardized columns: Pearson's correlation, 0 with a constant."""
    weight = (weight / weight.sum().clamp(min=1e-6))[:, None]

    def standardize(values: Tensor) -> Tensor:
        centered = values - (weight * values).sum(0)
        return centered / ((weight * centered.square()).sum(0) + 1e-8).sqrt()

    return (weight * standardize(x)).T @ standardize(y)


def participation_ratio(vectors: Float[Tensor, "N D"]) -> Float[Tensor, ""]:
    """`(tr C)^2 / tr C^2` for the covariance C: D for isotropic vectors, 1 for a line.

    It needs no eigenvalues, so it can run in every update.
    """
    matrix = covariance(vectors)
    return matrix.diagonal().sum().square() / matrix.square().sum().clamp(min=1e-30)


def singular_values(vectors: Float[Tensor, "N D"], centered: bool) -> Float[Tensor, " K"]:
    """Return the D (or N) singular values over sqrt(N), largest first, in float64. Too slow for updates."""
    matrix = vectors.double()
    matrix = matrix - matrix.mean(0) if centered else matrix
    return torch.linalg.svdvals(matrix) / len(matrix) ** 0.5


def rankme(vectors: Float[Tensor, "N D"], centered: bool) -> Float[Tensor, ""]:
    """`exp(-sum_k p_k ln p_k)`, `p_k = s_k / sum_j s_j + 1e-7` for the singular values s (Garrido 2022, Eq. 1).

    D for isotropic vectors, 1 for a line. The published measure is not `centered`. Vectors that have shrunk almost to a
    point keep their rank, because it does not depend on scale.
    """
    values = singular_values(vectors, centered)
    p = values / values.sum().clamp(min=1e-30) + 1e-7
    return (-(p * p.log()).sum()).exp().to(vectors.dtype)


def scale_metrics(vectors: Float[Tensor, "N D"], std: Float[Tensor, " K"] | None = None) -> dict[str, Tensor]:
    """Mean, median and least standard deviation per dimension, dead dimensions, participation ratio.

    `std` replaces the standard deviations where they are per group (`HasFeatureStd`).
    """
    std = vectors.std(0) if std is None else std
    return {
        "std": std.mean(),
        "std_median": std.median(),
        "std_min": std.min(),
        "dead_dimensions": (std < 1e-2 * std.median()).float().mean(),
        "participation_ratio": participation_ratio(vectors),
    }
