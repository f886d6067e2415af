"""How many directions a cloud of vectors really uses, and how large it is: the signs of collapse."""

import torch
from jaxtyping import Float
from torch import Tensor


def covariance(vectors: Float[Tensor, "N D"]) -> Float[Tensor, "D D"]:
    """`C = sum_n (x_n - mean) (x_n - mean)^T / (N - 1)`; 0 for a single vector."""
    centered = vectors - vectors.mean(0)
    return centered.T @ centered / max(vectors.shape[0] - 1, 1)


def participation_ratio(vectors: Float[Tensor, "N D"]) -> Float[Tensor, ""]:
    """`(tr C)^2 / tr C^2` for the covariance C: D for an isotropic cloud, 1 for a line.

    Needs no eigenvalues, so it costs a matrix product and never leaves the device.
    """
    found = covariance(vectors)
    return found.diagonal().sum().square() / found.square().sum().clamp(min=1e-30)


def singular_values(vectors: Float[Tensor, "N D"], centered: bool) -> Float[Tensor, " K"]:
    """The D (or N) singular values over sqrt(N), largest first, in double precision; not for an update."""
    cloud = vectors.double()
    cloud = cloud - cloud.mean(0) if centered else cloud
    return torch.linalg.svdvals(cloud) / len(cloud) ** 0.5


def rankme(vectors: Float[Tensor, "N D"], centered: bool) -> Float[Tensor, ""]:
    """`exp(-sum_k p_k ln p_k)`, `p_k = s_k / sum_j s_j + 1e-7` for the singular values s (Garrido 2022, Eq. 1).

    D for an isotropic cloud, 1 for a line; of vectors as they are, as published, or of their differences from the mean.
    Blind to scale: a cloud that has shrunk almost to a point keeps its rank. It takes a singular value decomposition,
    so it is for evaluation, not for the update.
    """
    values = singular_values(vectors, centered)
    p = values / values.sum().clamp(min=1e-30) + 1e-7
    return (-(p * p.log()).sum()).exp().to(vectors.dtype)


def scale_metrics(vectors: Float[Tensor, "N D"], std: Float[Tensor, " K"] | None = None) -> dict[str, Tensor]:
    """Scale and spread: mean, median and least standard deviation per dimension, participation ratio.

    `std`: that of each part of the vectors, where parts are not single dimensions.
    """
    std = vectors.std(0) if std is None else std
    return {
        "std": std.mean(),
        "std_median": std.median(),
        "std_min": std.min(),
        "dead_dimensions": (std < 1e-2 * std.median()).float().mean(),
        "participation_ratio": participation_ratio(vectors),
    }
