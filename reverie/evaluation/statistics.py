"""Statistics of scores over runs and tasks (Agarwal et al. 2021, "Deep RL at the edge of the statistical precipice").

*Scores* are a list with one array for each task. Its last axis holds the runs of the task, whose number may differ
between tasks. Leading axes are resamples or points of time, and stay. Aggregates expect normalized scores.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

Scores = Sequence[np.ndarray]
Numbers = np.ndarray | np.floating
"""One number, or one for each place of the leading axes."""
Statistic = Callable[..., Numbers]
"""From the scores of one method, or of several, to numbers."""

AGGREGATES = ("IQM", "median", "mean", "optimality gap")
_CHUNK = 4_000_000
"""Numbers that are resampled at once, which bounds the memory."""


def mean(scores: Scores) -> Numbers:
    """Return the mean over tasks of the mean over runs."""
    return np.mean([runs.mean(-1) for runs in scores], axis=0)


def median(scores: Scores) -> Numbers:
    """Return the median over tasks of the mean over runs."""
    return np.median([runs.mean(-1) for runs in scores], axis=0)


def iqm(scores: Scores) -> Numbers:
    """Return the interquartile mean: the mean of the middle half of all runs of all tasks."""
    runs = np.sort(np.concatenate(scores, axis=-1), axis=-1)
    cut = runs.shape[-1] // 4
    return runs[..., cut : runs.shape[-1] - cut].mean(-1)


def optimality_gap(scores: Scores) -> Numbers:
    """Return 1 - mean(min(score, 1)): by how much the runs fall short of 1. Smaller is better."""
    return 1 - mean([np.minimum(runs, 1) for runs in scores])


def aggregates(scores: Scores) -> np.ndarray:
    """Return the four numbers that `AGGREGATES` names, along a new last axis."""
    return np.stack([iqm(scores), median(scores), mean(scores), optimality_gap(scores)], axis=-1)


def profile(scores: Scores, thresholds: Float[np.ndarray, "T"]) -> np.ndarray:
    """Return the performance profile: the mean over tasks of the fraction of runs above each threshold.

    The thresholds are the new last axis.
    """
    return np.mean([(runs[..., None, :] > thresholds[:, None]).mean(-1) for runs in scores], axis=0)


def improvement(scores: Scores, other: Scores) -> Numbers:
    """Return the probability that a run of one method is better than a run of the `other` on the same task.

    It is the mean over tasks of P(X > Y) + P(X = Y) / 2, Mann and Whitney's U divided by the number of pairs.
    """
    pairs = [(x[..., :, None], y[..., None, :]) for x, y in zip(scores, other, strict=True)]
    return np.mean([((x > y) + 0.5 * (x == y)).mean((-2, -1)) for x, y in pairs], axis=0)


def interval(statistic: Statistic, *methods: Scores, resamples: int = 2_000, seed: int = 0) -> tuple[Numbers, Numbers]:
    """Return both ends of the 95 % percentile interval of `statistic(*methods)`, by the stratified bootstrap.

    The runs of each task are drawn anew with replacement, the tasks stay. Scores have no leading axes here.
    """
    generator = np.random.default_rng(seed)
    size = sum(len(runs) for scores in methods for runs in scores)
    chunks, left = [], resamples
    while left > 0:
        count = min(left, max(1, _CHUNK // size))
        chunks.append(statistic(*(_resample(scores, count, generator) for scores in methods)))
        left -= count
    low, high = np.percentile(np.concatenate(chunks), (2.5, 97.5), axis=0)
    return low, high


def _resample(scores: Scores, count: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Return `count` samples of the runs of each task, (count, runs)."""
    return [runs[generator.integers(len(runs), size=(count, len(runs)))] for runs in scores]


def band(
    center: Callable[..., Numbers], runs: Float[np.ndarray, "P N"], resamples: int = 2_000, seed: int = 0
) -> tuple[Float[np.ndarray, "P"], Float[np.ndarray, "P"]]:
    """Return the 95 % bootstrap interval of the center (`np.mean`, `np.median`) of N runs at each of P points.

    All points share the resamples, so that the band is as smooth as the curves.
    """
    drawn = np.random.default_rng(seed).integers(runs.shape[1], size=(resamples, runs.shape[1]))
    low, high = np.percentile(center(runs[:, drawn], axis=-1), (2.5, 97.5), axis=1)
    return low, high


def window_means(
    frames: Float[np.ndarray, "E"], returns: Float[np.ndarray, "E"], points: Float[np.ndarray, "P"], window: float
) -> Float[np.ndarray, "P"]:
    """Return the mean of the returns in (point - window, point], for frames in ascending order.

    Where a window holds none, it is the latest return before it. Before the first return it is NaN.
    """
    ends = np.searchsorted(frames, points, side="right")
    starts = np.minimum(np.searchsorted(frames, points - window, side="right"), ends - 1)
    sums = np.concatenate([[0.0], np.cumsum(returns)])
    means = (sums[ends] - sums[starts]) / np.maximum(ends - starts, 1)
    return np.where(ends > 0, means, np.nan)
