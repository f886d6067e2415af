"""KL divergences in nats, and free nats."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.math import ranks

FreeNats = Literal["element", "mean"]
Vector = Float[Tensor, "*b Z"]


def gaussian_kl(mean_q: Vector, std_q: Vector, mean_p: Vector, std_p: Vector) -> Float[Tensor, "*b"]:
    """`KL(q || p) = sum_z ln(s_p / s_q) + (s_q^2 + (m_q - m_p)^2) / (2 s_p^2) - 1/2`, diagonal Gaussians."""
    ratio = (std_q / std_p).square()
    return 0.5 * (ratio + ((mean_q - mean_p) / std_p).square() - 1 - ratio.log()).sum(-1)


def categorical_kl(log_q: Vector, log_p: Vector) -> Float[Tensor, "*b"]:
    """`KL(q || p) = sum_c q_c (ln q_c - ln p_c)`, of normalized and finite log-probabilities."""
    return (log_q.exp() * (log_q - log_p)).sum(-1)


def free_nats(nats: Float[Tensor, "B T"], free: float, variant: FreeNats) -> Float[Tensor, "B T"]:
    """Apply free nats to the divergence of each step: no gradient below `free`.

    `element` (PlaNet): each step has its own allowance, `max(nats, free)`.
    `mean` (Dreamer V1, V2): the batch shares one. The mean of the result is `max(mean(nats), free)` with its gradient.
    """
    if variant == "element":
        return nats.clamp(min=free)
    return torch.where(ranks.mean(nats.mean()) > free, nats, torch.full_like(nats, free))
