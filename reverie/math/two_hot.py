"""Symlog, and a distribution over exponentially spaced numbers: DreamerV3's answer to scalars of any unit.

A two-hot target spreads a number over its two neighboring bins, so a softmax learns it by classification. The size of
the gradient does not depend on the size of the number (Hafner 2023, Sec. "Critic learning" and Eq. 8-10).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Batch = Float[Tensor, "*b"]


def symlog(x: Tensor) -> Tensor:
    """`sign(x) ln(1 + |x|)`: compresses numbers of any unit (Hafner 2023, Eq. 1)."""
    return torch.sign(x) * torch.log1p(x.abs())


def symexp(x: Tensor) -> Tensor:
    """`sign(x) (exp(|x|) - 1)`: the inverse of `symlog`."""
    return torch.sign(x) * torch.expm1(x.abs())


def symexp_bins(count: int, limit: float) -> Float[Tensor, " K"]:
    """Return K = `count` bins `symexp(linspace(-limit, limit, K))`, K odd: exactly symmetric, with 0 in the middle."""
    lower = symexp(torch.linspace(-limit, 0, count // 2 + 1, dtype=torch.float64)).float()
    return torch.cat([lower, -lower[:-1].flip(0)])


@dataclass(frozen=True)
class TwoHot:
    """A distribution over symmetric `bins` with probabilities `softmax(logits)`."""

    logits: Float[Tensor, "*b K"]
    bins: Float[Tensor, " K"]

    @property
    def mean(self) -> Batch:
        """`sum_i p_i b_i`, as a sum over the positive bins of `(p_i - p_-i) b_i`.

        So uniform probabilities give exactly 0, also where a compiler fuses multiplications and additions.
        """
        probability, half = self.logits.softmax(-1), len(self.bins) // 2
        difference = probability[..., -half:] - probability[..., :half].flip(-1)
        return (difference * self.bins[-half:]).sum(-1)

    def nats(self, target: Batch) -> Batch:
        """`-ln p` of a two-hot target: its weights lie on the neighboring bins, linearly between them.

        A target beyond the last bin has all weight there.
        """
        above = torch.searchsorted(self.bins, target.detach().contiguous(), right=True)
        low, high = (above - 1).clamp(min=0), above.clamp(max=len(self.bins) - 1)
        width = self.bins[high] - self.bins[low]
        weight = torch.where(width > 0, (self.bins[high] - target) / width.clamp(min=1e-30), 1.0)
        log_probability = self.logits.log_softmax(-1)
        at_low, at_high = (log_probability.gather(-1, index[..., None])[..., 0] for index in (low, high))
        return -(weight * at_low + (1 - weight) * at_high)
