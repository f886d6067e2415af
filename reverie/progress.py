"""Reports of a run while it trains: `Progress` for displays, `Callback` for events."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Progress:
    """How far a run is: `done` of `total`, in environment frames (action repeat included), updates or transitions."""

    unit: str
    done: int
    total: int
    decisions: int
    updates: int
    seconds: float
    """Seconds since this process began to train."""
    started_at: int
    """`done` when this process began: more than 0 after a resume."""
    values: dict[str, float] = field(default_factory=dict)
    """The latest losses and other scalars by name."""
    returns: list[float] = field(default_factory=list)
    """Returns of the latest training episodes, newest last."""
    message: str | None = None
    """Events besides training: `evaluating, episode 3 of 10`, `warning: ...`."""
    evaluation: float | None = None
    """The mean return of the latest evaluation."""
    remaining: float | Literal["rate"] | None = "rate"
    """Seconds until `total`. None: they cannot be estimated yet. `rate`: extrapolate `per_second`."""
    time_spent: float = 0.0
    """The part of the budget of time for training that is spent, 0 without such a budget."""

    @property
    def per_second(self) -> float:
        """Units a second of this process; 0 before the first."""
        return (self.done - self.started_at) / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until `total`; None where they cannot be estimated."""
        if self.remaining != "rate":
            return self.remaining
        rate = self.per_second
        return max(0, self.total - self.done) / rate if rate > 0 else None


OnProgress = Callable[[Progress], None]


class Callback:
    """The base of callbacks for `reverie.train(..., callbacks=[...])`: override the events of interest.

    Every method gets the run's `progress` first. A callback must not change what the run computes. An exception in it
    ends the run, which can be resumed from its newest checkpoint.
    """

    def on_progress(self, progress: Progress) -> None:
        """Report progress: a few times a second at most, and at every event."""

    def on_episode(self, progress: Progress, undiscounted_return: float, decisions: int) -> None:
        """A training episode has ended after `decisions` agent steps."""

    def on_train(self, progress: Progress, metrics: dict[str, float]) -> None:
        """Report means of training metrics since the last call: losses, gradient norms, measures of the features."""

    def on_evaluation(self, progress: Progress, values: dict[str, float]) -> None:
        """An evaluation during training has ended: `return` and `episodes`, or measures of held-out data."""

    def on_checkpoint(self, progress: Progress, path: Path) -> None:
        """A checkpoint has been written to `path`."""


Callbacks = Callback | OnProgress
"""A `Callback`, or a function that is called with each `Progress`."""
