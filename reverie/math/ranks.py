"""What the ranks of one run share. A run of one process has one rank, and every function returns what it is given.

A batch is split by rows: of R ranks, each has B / R sequences. A loss is a mean over rows. So the mean of all ranks'
losses is that of the whole batch, and the mean of their gradients is its gradient. What is no such mean, a statistic of
the batch, must see all rows: by `gather`, which has a gradient, or as a `mean` of counts.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


class Ranks:
    """One process. Several share tensors by these two methods, which all of them call in the same order."""

    rank: int = 0
    count: int = 1

    def total(self, x: Tensor) -> Tensor:
        """Return the sum of all ranks' tensors."""
        return x

    def rows(self, x: Tensor) -> Tensor:
        """Return the rows of all ranks, in the order of the ranks."""
        return x


_present = Ranks()


def present() -> Ranks:
    """Return the ranks of this process's run."""
    return _present


@contextmanager
def among(ranks: Ranks) -> Iterator[None]:
    """Compute as one of these ranks."""
    global _present
    before, _present = _present, ranks
    try:
        yield
    finally:
        _present = before


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _present.rows(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return own(_present.total(gradients[0]))


def gather(x: Tensor) -> Tensor:
    """Return the rows of all ranks; the gradient is that of the sum of what they compute with them."""
    return x if _present.count == 1 else _Gather.apply(x)


def own(x: Tensor) -> Tensor:
    """Return this rank's rows of what all ranks have alike."""
    return x.chunk(_present.count)[_present.rank] if _present.count > 1 else x


def mean(x: Tensor) -> Tensor:
    """Return the mean of all ranks' tensors, without a gradient."""
    return average([x])[0] if _present.count > 1 else x


def average(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """Return the means of all ranks' tensors, shared at once."""
    if _present.count == 1 or not tensors:
        return tensors
    total = _present.total(torch.cat([x.detach().reshape(-1) for x in tensors])) / _present.count
    parts = total.split([x.numel() for x in tensors])
    return [part.view(x.shape).to(x.dtype) for part, x in zip(parts, tensors)]
