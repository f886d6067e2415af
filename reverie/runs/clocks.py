"""Counts and times of a run: how far it is, means since the last line of the log, and the time that is left."""

import time
from collections import deque
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal

from reverie.runs.logger import Moment
from reverie.types import Metrics


@dataclass
class Clock:
    """How far a run is. Frames include the action repeat, decisions do not."""

    frames: int = 0
    decisions: int = 0
    updates: int = 0
    logged: int = 0
    """`Run.progress_count` up to which the log was written."""
    reported: int = 0
    """`Run.progress_count` up to which evaluations were made too. It is behind while one is under way."""

    @property
    def moment(self) -> Moment:
        """The present, for a line of the log."""
        return {"frames": self.frames, "decisions": self.decisions, "updates": self.updates}


@dataclass
class RunningMean:
    """Means of metrics since the last line of the log. The sums stay on the device until then."""

    sums: Metrics = field(default_factory=dict)
    count: int = 0

    def add(self, metrics: Metrics) -> None:
        self.sums = {name: self.sums[name] + x for name, x in metrics.items()} if self.count else dict(metrics)
        self.count += 1

    def means(self) -> dict[str, float]:
        """Return the means and start again from nothing."""
        means = {name: float(x) / self.count for name, x in self.sums.items()}
        self.sums, self.count = {}, 0
        return means


class Pace:
    """Seconds of recent steps and updates, from which the time left is estimated.

    Steps of the prefill are many times faster than updates, so the two are timed apart. The first update is left out
    because it includes the warm-up.
    """

    def __init__(self) -> None:
        self.times: dict[Literal["step", "update"], deque[float]] = {
            "step": deque(maxlen=200),
            "update": deque(maxlen=100),
        }
        self.last, self.warm = time.monotonic(), False

    def restart(self) -> None:
        """Start to time the next step or update."""
        self.last = time.monotonic()

    def record(self, kind: Literal["step", "update"]) -> None:
        """Record the time of a step or an update that has ended."""
        now = time.monotonic()
        if kind == "step" or self.warm:
            self.times[kind].append(now - self.last)
        self.warm = self.warm or kind == "update"
        self.last = now

    def mean(self, kind: Literal["step", "update"]) -> float:
        """Return the mean of recent times, 0 before the first."""
        return fmean(self.times[kind]) if self.times[kind] else 0.0

    def remaining(self, steps: int, updates: int) -> float | None:
        """Return the seconds that so many steps and updates take; None if a kind has not been timed yet."""
        counts = {"step": steps, "update": updates}
        if any(counts[kind] and not times for kind, times in self.times.items()):
            return None
        return sum(counts[kind] * self.mean(kind) for kind in self.times)
