"""Implements `Report`: writes the log, calls callbacks, and warns where features collapse."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Literal

from reverie.progress import Callback, Callbacks, OnProgress, Progress
from reverie.runs.base import Run

_RECENT_RETURNS, _SECONDS_BETWEEN = 10, 0.25


class Pace:
    """Seconds that recent steps and updates took, from which the time left is estimated.

    Steps without updates (the prefill) are many times faster than training, so both are timed apart. The first update
    is left out: it warms up.
    """

    def __init__(self) -> None:
        self.times: dict[Literal["step", "update"], deque[float]] = {
            "step": deque(maxlen=200),
            "update": deque(maxlen=100),
        }
        self.last, self.warm = time.monotonic(), False

    def restart(self) -> None:
        """Begin to time the next step or update."""
        self.last = time.monotonic()

    def record(self, kind: Literal["step", "update"]) -> None:
        """A step or an update has ended."""
        now = time.monotonic()
        if kind == "step" or self.warm:
            self.times[kind].append(now - self.last)
        self.warm = self.warm or kind == "update"
        self.last = now

    def remaining(self, steps: int, updates: int) -> float | None:
        """Seconds for so many steps and updates; None before the first of a kind that is still to come."""
        counts = {"step": steps, "update": updates}
        if any(counts[kind] and not times for kind, times in self.times.items()):
            return None
        return sum(counts[kind] * fmean(times) for kind, times in self.times.items() if times)


class _Listener(Callback):
    """A function of each `Progress`, as a `Callback`."""

    def __init__(self, function: OnProgress) -> None:
        self._function = function

    def on_progress(self, progress: Progress) -> None:
        self._function(progress)


class Reporter:
    """Implements `Report` for one life of a run; nothing that it does changes what the run computes."""

    def __init__(self, run: Run, callbacks: Sequence[Callbacks]) -> None:
        self.run, self.pace = run, Pace()
        self.callbacks = [x if isinstance(x, Callback) else _Listener(x) for x in callbacks]
        self.started, self.started_at = time.monotonic(), run.progress[0]
        self.values: dict[str, float] = {}
        self.returns: list[float] = []
        self.latest_evaluation: float | None = None
        self.shown = 0.0

    def episode(self, undiscounted_return: float, decisions: int) -> None:
        """Log a training episode."""
        self.returns.append(undiscounted_return)
        values = {"return": undiscounted_return, "decisions_long": decisions}
        self.run.logger.write("episode", self.run.clock.moment, values)
        self._show(lambda callback, progress: callback.on_episode(progress, undiscounted_return, decisions))

    def training(self) -> None:
        """Log the means of the training metrics since the last line, and the speed."""
        if self.run.running_mean.count == 0:
            return
        self.values = values = self.run.running_mean.means()
        seconds = time.monotonic() - self.started
        speed = (self.run.progress[0] - self.started_at) / max(seconds, 1e-9)
        timing = {"seconds": seconds, f"{self.run.unit}_per_second": speed}
        self.run.logger.write("train", self.run.clock.moment, values, timing)
        self.features({name.removeprefix("features/"): x for name, x in values.items() if name.startswith("features/")})
        self._show(lambda callback, progress: callback.on_train(progress, values))

    def evaluation(self, values: dict[str, float]) -> None:
        """Log an evaluation."""
        self.run.logger.write("evaluation", self.run.clock.moment, values)
        self.latest_evaluation = values.get("return", self.latest_evaluation)
        self._show(lambda callback, progress: callback.on_evaluation(progress, values))

    def checkpoint(self, path: Path) -> None:
        """Report a new checkpoint to the callbacks."""
        self._show(lambda callback, progress: callback.on_checkpoint(progress, path))

    def features(self, values: dict[str, float], size: int | None = None) -> None:
        """Log a warning where measures of the features, of `size` dimensions, show a new collapse."""
        clock = self.run.clock
        warnings = self.run.collapse_detector.read(clock.updates, values, size)
        for kind, text in warnings.items():
            self.run.logger.alarm(clock.moment, kind, text)
        if warnings:
            self._show()

    def progress(self, message: str | None = None) -> None:
        """Show how far the run is, a few times a second at most."""
        if self.callbacks and time.monotonic() - self.shown > _SECONDS_BETWEEN:
            self._show(message=message)

    def _show(self, event: Callable[[Callback, Progress], None] | None = None, message: str | None = None) -> None:
        """Call `on_progress` of every callback, then `event` with it."""
        self.shown, progress = time.monotonic(), self._progress(message)
        for callback in self.callbacks:
            callback.on_progress(progress)
            if event is not None:
                event(callback, progress)

    def _progress(self, message: str | None) -> Progress:
        run = self.run
        done, total = run.progress
        return Progress(
            unit=run.unit,
            done=done,
            total=total,
            decisions=run.clock.decisions,
            updates=run.clock.updates,
            seconds=time.monotonic() - self.started,
            started_at=self.started_at,
            values=self.values,
            returns=self.returns[-_RECENT_RETURNS:],
            message=message or run.message() or run.collapse_detector.message,
            evaluation=self.latest_evaluation,
            remaining=self.pace.remaining(*run.remaining),
        )
