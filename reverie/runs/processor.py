"""How a run uses the processor: a number of threads that was measured, and memory that stays between updates."""

import ctypes
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from statistics import median

import torch

LEAST_GAIN = 0.85
"""Twice the threads are worth it if the work takes at most this fraction of the time."""
ROUNDS = 5
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Names of malloc's options in glibc's `malloc.h`."""


def choose_threads(most: int, seconds: Callable[[int], float] | None = None) -> int:
    """Return how many CPU threads to use, at most `most`: 1, or a power of two that is clearly faster than half of it.

    Small operations gain little from a second thread. Beside another busy process they lose, because the threads of
    an operation wait for each other. `seconds(threads)` measures some work, by default operations of an update.
    """
    counts = [2**i for i in range(most.bit_length())]
    if len(counts) == 1:
        return 1
    seconds = seconds or _seconds_of_operations
    # In turns, so that what else the machine does meets all of them.
    turns = [[seconds(count) for count in counts] for _ in range(ROUNDS)]
    times = [median(column) for column in zip(*turns)]
    chosen = 0
    while chosen + 1 < len(counts) and times[chosen + 1] <= LEAST_GAIN * times[chosen]:
        chosen += 1
    return counts[chosen]


@torch.no_grad()
def _seconds_of_operations(threads: int) -> float:
    """Return the time of a few dense layers and convolutions of a `laptop` update with this many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        x, weight, images, kernel = (
            torch.ones(shape) for shape in [(384, 200), (200, 200), (16, 8, 32, 32), (16, 8, 4, 4)]
        )
        start = time.perf_counter()
        for _ in range(20):
            x = torch.nn.functional.elu(x @ weight) / 200
            torch.nn.functional.conv2d(images, kernel, stride=2)
        return time.perf_counter() - start
    finally:
        torch.set_num_threads(before)


def keep_memory() -> None:
    """Have malloc keep freed memory for the next update, where the C library is glibc.

    By default it returns large tensors to the system and gets each of their pages anew. A `laptop` update of 64x64
    images met 12,000 such page faults, a tenth of its time.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            malloc_option = ctypes.CDLL(None).mallopt
            malloc_option(M_MMAP_THRESHOLD, 32 * 2**20)  # the largest that glibc allows
            malloc_option(M_TRIM_THRESHOLD, 2**31 - 1)
