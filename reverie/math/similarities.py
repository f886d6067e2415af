"""Pairwise similarities of two sets of vectors, the InfoNCE loss and its accuracy."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def distance(x: Float[Tensor, "*b M F"], y: Float[Tensor, "*b N F"]) -> Float[Tensor, "*b M N"]:
    """`-||x_i - y_j||^2`, computed from the differences.

    The expansion `2 x.y - |x|^2 - |y|^2` is several times faster for large sets. In float32 it loses all digits if the
    vectors are long compared with their differences.
    """
    return -torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()


def info_nce(
    similarity: Float[Tensor, "M N"], positive: Int[Tensor, " M"], negatives: Bool[Tensor, "M N"]
) -> Float[Tensor, " M"]:
    """`-ln exp(s_ip) / (exp(s_ip) + sum_{j in negatives_i} exp(s_ij))`, in nats (van den Oord 2018, Eq. 4).

    `positive` is the column p of each row's positive. Without negatives the loss is 0.
    """
    candidates = negatives.scatter(1, positive[:, None], True)
    target = similarity.gather(1, positive[:, None])[:, 0]
    return similarity.masked_fill(~candidates, -torch.inf).logsumexp(1) - target


def retrieval_accuracy(
    similarity: Float[Tensor, "M N"], positive: Int[Tensor, " M"], negatives: Bool[Tensor, "M N"]
) -> Float[Tensor, " M"]:
    """1 if the positive has the highest similarity, 1/n if it ties with n - 1 negatives, else 0.

    So encodings that have collapsed to one point score chance level, `1 / (1 + negatives)`.
    """
    target = similarity.gather(1, positive[:, None])
    others = negatives.scatter(1, positive[:, None], False)
    higher = (others & (similarity > target)).any(1)
    ties = (others & (similarity == target)).sum(1)
    return torch.where(higher, 0.0, 1 / (1 + ties))
