"""What a run reports: to its log, to a display, and to whoever watches for collapse."""

import time

from reverie.progress import OnProgress, Progress
from reverie.runs.base import Run
from reverie.runs.logger import Kind


class Reporter:
    """Writes the log and tells the display; nothing that it does changes what the run computes."""

    def __init__(self, run: Run, on_progress: OnProgress | None) -> None:
        self.run, self.on_progress = run, on_progress
        self.started, self.started_at = time.monotonic(), run.done[0]
        self.values: dict[str, float] = {}
        self.returns: list[float] = []
        self.shown = 0.0

    def _write(self, kind: Kind, values: dict[str, float], timing: dict[str, float] | None = None) -> None:
        clock = self.run.clock
        self.run.logger.write(kind, clock.frames, clock.decisions, clock.updates, values, timing)

    def episode(self, undiscounted_return: float, decisions: int) -> None:
        """One line a training episode."""
        self.returns.append(undiscounted_return)
        self._write("episode", {"return": undiscounted_return, "decisions_long": decisions})
        self.progress(force=True)

    def training(self) -> None:
        """One line of means since the last one, and how fast it went."""
        if self.run.window.count == 0:
            return
        self.values = self.run.window.means()
        seconds = time.monotonic() - self.started
        speed = (self.run.done[0] - self.started_at) / max(seconds, 1e-9)
        self._write("train", self.values, {"seconds": seconds, f"{self.run.unit}_per_second": speed})
        named = {name.removeprefix("features/"): x for name, x in self.values.items() if name.startswith("features/")}
        self.watch(named)
        self.progress(force=True)

    def evaluation(self, values: dict[str, float]) -> None:
        """One line an evaluation."""
        self._write("evaluation", values)

    def watch(self, values: dict[str, float], size: int | None = None) -> None:
        """Sound the alarm where measures of the features, of `size` dimensions, show a collapse that is news."""
        clock = self.run.clock
        found = self.run.alarm.read(clock.updates, values, size)
        for kind, text in found.items():
            self.run.logger.alarm(clock.frames, clock.decisions, clock.updates, kind, text)
        if found:
            self.progress(force=True)

    def progress(self, force: bool = False) -> None:
        """Tell the display, a few times a second at most."""
        now = time.monotonic()
        if self.on_progress is None or not (force or now - self.shown > 0.25):
            return
        self.shown, clock = now, self.run.clock
        done, total = self.run.done
        self.on_progress(
            Progress(
                unit=self.run.unit,
                done=done,
                total=total,
                decisions=clock.decisions,
                updates=clock.updates,
                seconds=now - self.started,
                started_at=self.started_at,
                values=self.values,
                returns=self.returns[-10:],
                message=self.run.message() or self.run.alarm.message,
            )
        )
