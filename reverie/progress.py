"""What a display is told of a run."""

from collections.abc import Callable
from dataclasses import dataclass, field


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
    """What was done when this process began: more than 0 after a resume."""
    values: dict[str, float] = field(default_factory=dict)
    """The latest losses and other scalars by name."""
    returns: list[float] = field(default_factory=list)
    """Returns of the latest training episodes, newest last."""
    message: str | None = None
    """What is going on besides training: `evaluating`, `warning: ...`."""

    @property
    def per_second(self) -> float:
        """Frames or updates a second of this process; 0 before the first."""
        return (self.done - self.started_at) / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until `total` at this process's rate; None while there is no rate."""
        rate = self.per_second
        return max(0, self.total - self.done) / rate if rate > 0 else None


OnProgress = Callable[[Progress], None]
