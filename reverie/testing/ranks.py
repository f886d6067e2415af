"""Ranks that are threads of this process: what several processes would compute, in a moment."""

import threading
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from reverie.math.ranks import Ranks, among

R = TypeVar("R")


class ThreadRanks(Ranks):
    """Threads that wait for each other wherever processes would."""

    def __init__(self, count: int) -> None:
        self.count, self.barrier = count, threading.Barrier(count, timeout=600)
        self.numbers: dict[int, int] = {}
        self.given: list[Tensor] = [torch.empty(0)] * count

    @property
    def rank(self) -> int:  # pyrefly: ignore[bad-override]
        return self.numbers[threading.get_ident()]

    def _exchange(self, x: Tensor) -> list[Tensor]:
        self.given[self.rank] = x.detach().clone()
        self.barrier.wait()
        parts = list(self.given)
        self.barrier.wait()  # before anybody gives the next one
        return parts

    def total(self, x: Tensor) -> Tensor:
        return torch.stack(self._exchange(x)).sum(0)

    def rows(self, x: Tensor) -> Tensor:
        return torch.cat(self._exchange(x))


def on_ranks(count: int, function: Callable[[int], R]) -> list[R]:
    """Call `function(rank)` on that many ranks side by side, and return what each returned."""
    ranks = ThreadRanks(count)
    results: dict[int, R] = {}
    errors: list[Exception] = []

    def run(rank: int) -> None:
        ranks.numbers[threading.get_ident()] = rank
        try:
            results[rank] = function(rank)
        except threading.BrokenBarrierError:
            pass  # another one has failed
        except Exception as error:
            errors.append(error)
            ranks.barrier.abort()

    with among(ranks):
        threads = [threading.Thread(target=run, args=(rank,)) for rank in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
    return [results[rank] for rank in range(count)]
