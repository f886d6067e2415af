"""The training loop: update -> log -> evaluate -> checkpoint -> advance, from a config to a folder.

A run can be killed at any moment. Its next life begins at the last checkpoint and computes, on a CPU, bit for bit what
the uninterrupted run would have.
"""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch

from reverie.agent_run import AgentRun
from reverie.config import AnyConfig, Config, read_config
from reverie.display import Progress
from reverie.errors import UserError
from reverie.fit_run import FitRun
from reverie.logger import Kind
from reverie.run import Run
from reverie.types import Batch, Metrics

OnProgress = Callable[[Progress], None]


class Interrupted(UserError):
    """Ctrl-C: the run was saved, and the text says how to go on."""


def train(config: AnyConfig, folder: Path, on_progress: OnProgress | None = None) -> Path:
    """Train in a new `folder` until the budget is spent. Returns the folder."""
    return _loop(_kind(config).create(config, folder), on_progress)


def resume(folder: Path, on_progress: OnProgress | None = None) -> Path:
    """Go on from the newest checkpoint in `folder`."""
    config = read_config(folder)
    return _loop(_kind(config).restore(config, folder), on_progress)


def _kind(config: AnyConfig) -> type[Run]:
    """The run that a config describes."""
    return AgentRun if isinstance(config, Config) else FitRun


def _loop(run: Run, on_progress: OnProgress | None) -> Path:
    guard, report = Guard(run), Reporter(run, on_progress)
    try:
        with asked_to_stop() as stop:
            while True:
                while run.updates_due() > 0 and not stop:
                    batch, noise = run.draw()
                    metrics = run.update(batch, noise)
                    run.window.add(metrics)
                    run.alarm.see(metrics)
                    run.clock.updates += 1
                    guard.check(batch, metrics)
                    report.progress()
                guard.settle()  # before anybody acts by these weights
                if stop:
                    run.save()
                    raise Interrupted(f"Interrupted and saved: go on with `reverie resume {run.folder}`.")
                finished = run.finished
                see_to_reports(run, report, finished)
                if finished:
                    run.save_result()  # killed after its last checkpoint, a run may lack it
                    return run.folder
                run.advance(report)
    finally:
        run.close()


def see_to_reports(run: Run, report: "Reporter", finished: bool) -> None:
    """Log, evaluate and save where a multiple of their interval lies between the last reports and now."""
    config, clock, now = run.config.training, run.clock, run.ticks
    before, clock.reported = clock.reported, now

    def due(every: int) -> bool:
        return every > 0 and now // every > before // every

    if due(config.log_every) or finished:
        report.training()
    if run.evaluation_due(due):
        run.evaluate(report)
    if before < now and (due(config.checkpoint_every) or finished):
        run.save()


@contextmanager
def asked_to_stop() -> Iterator[list[int]]:
    """A list that is no longer empty once Ctrl-C was pressed, so that the loop stops between two steps, not in one.

    A second Ctrl-C stops at once. Outside the main thread, where signals cannot be caught, the list stays empty.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Guard:
    """Stops a run whose losses or gradients are no longer finite, one update later.

    Looking at once would make a GPU wait for the host; so the batch and metrics of an update are kept until the
    next one has been launched.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.pending: tuple[Batch, Metrics] | None = None

    def check(self, batch: Batch, metrics: Metrics) -> None:
        self.settle()
        self.pending = batch, metrics

    def settle(self) -> None:
        """Look at the update that is still pending; raises UserError and saves its batch if it is not finite."""
        if self.pending is None:
            return
        (batch, metrics), self.pending = self.pending, None
        watched = {name: x for name, x in metrics.items() if name.startswith(("loss/", "grad_norm/"))}
        if bool(torch.isfinite(torch.stack(list(watched.values()))).all()):
            return
        odd = sorted(name for name, x in watched.items() if not torch.isfinite(x))
        path = self.run.folder / "nonfinite.pt"
        torch.save({"batch": vars(batch), "metrics": metrics}, path)
        raise UserError(
            f"Update {self.run.clock.updates} gave {', '.join(odd)} that are not finite: the batch is in {path}, and "
            f"the last good checkpoint was kept; look at the batch, or start anew with a smaller learning rate."
        )


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


class _CallableModule(ModuleType):
    """Once imported, this module is what `reverie.train` names, and hides the function of that name there."""

    def __call__(self, config: AnyConfig, folder: Path, on_progress: OnProgress | None = None) -> Path:
        return train(config, folder, on_progress)


sys.modules[__name__].__class__ = _CallableModule
