"""The training loop: update -> log -> evaluate -> checkpoint -> advance, from a config to a folder.

A run can be killed at any moment. Its next life begins at the last checkpoint and computes, on a CPU, bit for bit what
the uninterrupted run would have.
"""

from pathlib import Path

import torch

from reverie.errors import UserError
from reverie.progress import OnProgress
from reverie.runs.base import Run
from reverie.runs.config import OnlineConfig, RunConfig, read_config
from reverie.runs.interrupt import Interrupted, asked_to_stop
from reverie.runs.offline import OfflineRun
from reverie.runs.online import OnlineRun
from reverie.runs.reporter import Reporter
from reverie.types import Batch, Metrics


def train(config: RunConfig, folder: Path, on_progress: OnProgress | None = None) -> Path:
    """Train in a new `folder` until the budget is spent. Returns the folder."""
    return _loop(_kind(config).create(config, folder), on_progress)


def resume(folder: Path, on_progress: OnProgress | None = None) -> Path:
    """Go on from the newest checkpoint in `folder`."""
    config = read_config(folder)
    return _loop(_kind(config).restore(config, folder), on_progress)


def _kind(config: RunConfig) -> type[Run]:
    """The run that a config describes."""
    return OnlineRun if isinstance(config, OnlineConfig) else OfflineRun


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
