"""How many directions a cloud of vectors really uses, and how large it is: the signs of collapse."""

from jaxtyping import Float
from torch import Tensor


def participation_ratio(vectors: Float[Tensor, "N D"]) -> Float[Tensor, ""]:
    """`(tr C)^2 / tr C^2` for the covariance C: D for an isotropic cloud, 1 for a line.

    Needs no eigenvalues, so it costs a matrix product and never leaves the device.
    """
    centred = vectors - vectors.mean(0)
    covariance = centred.T @ centred / vectors.shape[0]
    return covariance.diagonal().sum().square() / covariance.square().sum().clamp(min=1e-30)


def scale_metrics(vectors: Float[Tensor, "N D"]) -> dict[str, Tensor]:
    """Scale and spread: mean and least standard deviation per dimension, participation ratio."""
    std = vectors.std(0)
    return {
        "std": std.mean(),
        "std_min": std.min(),
        "dead_dimensions": (std < 1e-2 * std.median()).float().mean(),
        "participation_ratio": participation_ratio(vectors),
    }
