"""How alike two vectors are, for every pair of two sets, and learning by telling the right partner from others."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def distance(x: Float[Tensor, "*b M F"], y: Float[Tensor, "*b N F"]) -> Float[Tensor, "*b M N"]:
    """`-||x_i - y_j||^2`, from the differences themselves.

    The expansion `2 x.y - |x|^2 - |y|^2` is several times faster for large sets but loses all digits in float32 where
    the vectors are long against their differences, as those of a latent that has grown are.
    """
    return -torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()


def dot(x: Float[Tensor, "*b M F"], y: Float[Tensor, "*b N F"]) -> Float[Tensor, "*b M N"]:
    """`x_i^T y_j`."""
    return x @ y.mT


def bilinear(
    x: Float[Tensor, "*b M F"], y: Float[Tensor, "*b N F"], weight: Float[Tensor, "F F"]
) -> Float[Tensor, "*b M N"]:
    """`x_i^T W y_j` (van den Oord 2018, Eq. 3)."""
    return x @ weight @ y.mT


def info_nce(
    similarity: Float[Tensor, "M N"], positive: Int[Tensor, " M"], negatives: Bool[Tensor, "M N"]
) -> Float[Tensor, " M"]:
    """`-ln exp(s_ip) / (exp(s_ip) + sum_{j in negatives_i} exp(s_ij))`, in nats (van den Oord 2018, Eq. 4).

    `positive` is the column p of each row's right partner. Without negatives the loss is 0.
    """
    candidates = negatives.scatter(1, positive[:, None], True)
    right = similarity.gather(1, positive[:, None])[:, 0]
    return similarity.masked_fill(~candidates, -torch.inf).logsumexp(1) - right


def retrieval_accuracy(
    similarity: Float[Tensor, "M N"], positive: Int[Tensor, " M"], negatives: Bool[Tensor, "M N"]
) -> Float[Tensor, " M"]:
    """1 where the right partner is more alike than every negative, else 0; 1/n where n candidates are alike as it is.

    So encodings that have collapsed to one point are found by chance, `1 / (1 + negatives)`.
    """
    right = similarity.gather(1, positive[:, None])
    others = negatives.scatter(1, positive[:, None], False)
    beaten = (others & (similarity > right)).any(1)
    equals = (others & (similarity == right)).sum(1)
    return torch.where(beaten, 0.0, 1 / (1 + equals))
