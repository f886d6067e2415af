"""Training: update, log, evaluate, checkpoint, step, until the budget is spent.

A run can be killed at any moment. It resumes from the last checkpoint and computes, on a CPU, bit for bit what the
uninterrupted run would have. A signal stops it between two updates, decisions, or decisions of an evaluation. An
evaluation that was stopped is made anew.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Literal

import torch

from reverie.config.files import write_file
from reverie.envs import from_python
from reverie.errors import UserError
from reverie.files import make_folder
from reverie.progress import Callbacks
from reverie.runs import group
from reverie.runs.base import Reporter, Run
from reverie.runs.changes import with_changes
from reverie.runs.config import OnlineConfig, RunConfig, check_consistent, read_config
from reverie.runs.display import open_display
from reverie.runs.environment import EnvArgument, with_environment
from reverie.runs.interrupt import Interrupted, Stopped, StopRequest, asked_to_stop, interruptible
from reverie.runs.offline import OfflineRun
from reverie.runs.online import OnlineRun
from reverie.runs.results import Results, summarize
from reverie.runs.update import UpdateNoise
from reverie.types import Batch, Metrics

Show = bool | Literal["auto"]


def train(
    config: RunConfig,
    folder: str | Path | None = None,
    *,
    progress: Show = "auto",
    callbacks: Sequence[Callbacks] = (),
    env: EnvArgument | None = None,
    evaluate: bool = True,
    began: float | None = None,
) -> Path:
    """Train in a new `folder` until the budget is spent, evaluate and draw the results. Returns the folder.

    - `config`: what a recipe returns (`reverie.recipe`), or one of your own.
    - `folder`: new or empty. The default is `runs/RECIPE-ENV-SEED`, with a number if that exists.
    - `progress`: show a progress bar and the results. `auto` does so in a terminal or notebook only.
    - `callbacks`: functions of each `Progress`, or objects of `reverie.progress.Callback` for other events too.
    - `env`: an environment instead of the config's: an id, an `EnvConfig`, or a class, factory or object of
      Gymnasium's API. Give one of the last three again to resume or evaluate the run.
    - `evaluate`: end with the final evaluation (`evaluation.json`, curve, films), as the command does.
    - `began`: when a budget of time began, by `time.monotonic` (default: now).

    Raises `UserError` for mistakes, and `Interrupted`, after saving, when a signal asks to stop. Under `torchrun` all
    processes train one run, and only the first one evaluates (`runs.group`).
    """
    if group.follows():
        return group.follow()
    config = with_environment(config, env)
    place = Path(folder) if folder is not None else make_free_folder(config)
    try:
        run = run_type(config).create(config, place)
    except BaseException:
        with suppress(OSError):  # it is removed if it is empty
            place.rmdir()
        raise
    run.time.began = run.time.began if began is None else began
    with open_session(run, progress, callbacks) as session:
        for batch, noise in session.batches():
            session.record(batch, run.update(batch, noise))
    if evaluate:
        session.summarize()
    return run.folder


def resume(
    folder: str | Path,
    *,
    frames: int | None = None,
    updates: int | None = None,
    device: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: Show = "auto",
    callbacks: Sequence[Callbacks] = (),
    env: EnvArgument | None = None,
    evaluate: bool = True,
) -> Path:
    """Continue the run of `folder` from its newest checkpoint; a finished one too, with a larger budget.

    `frames` and `updates` are the new budget in all, and `device` is where the run goes on. `overrides` are settings by
    dotted path, those that a run may change (`runs.changes`). The other arguments are those of `train`.
    """
    if group.follows():
        return group.follow()
    folder = Path(folder)
    if list(folder.glob("*.safetensors")) and not list((folder / "checkpoints").glob("*")):
        raise UserError(  # else it would start anew, and delete its replay and its log
            f"{folder} was trained and has no checkpoint any more: restore {folder / 'checkpoints'} from a copy, or "
            "train anew in another folder."
        )
    before = read_config(folder)
    named = {"training.frames": frames, "training.updates": updates, "device": device}
    settings = {**(overrides or {}), **{path: value for path, value in named.items() if value is not None}}
    config = with_changes(before, settings)
    if with_environment(config, env) != config:
        raise UserError("A run is resumed in the environment that it began in: `env` gives the same one again.")
    from_python.require(config.env)
    if config != before:
        check_consistent(config)
    run = run_type(config).restore(config, folder)
    if config != before:
        (folder / "evaluation.json").unlink(missing_ok=True)  # it is that of a finished run
        write_file(folder / "config.json", config)
    with open_session(run, progress, callbacks) as session:
        for batch, noise in session.batches():
            session.record(batch, run.update(batch, noise))
    if evaluate:
        session.summarize()
    return run.folder


def evaluate_finished(folder: Path, shown: bool) -> Results:
    """Measure and draw a finished run. A signal ends it at once, because nothing is lost."""
    if shown:
        print("evaluating ...", flush=True)
    with interruptible(f"Interrupted: {folder} is finished and saved. Evaluate it with `reverie resume {folder}`."):
        return summarize(folder)


def make_free_folder(config: RunConfig) -> Path:
    """Make `runs/RECIPE-ENV-SEED`, with the first number behind it that makes it new. No two processes get the same."""
    name = f"{config.recipe}-{config.world.replace('/', '-').replace(':', '-')}-{config.seed}"
    make_folder(Path("runs"))
    for number in count(1):
        folder = Path("runs") / (name if number == 1 else f"{name}-{number}")
        with suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise AssertionError  # count does not end


def run_type(config: RunConfig) -> type[Run]:
    """Return the class of runs with such a config."""
    return OnlineRun if isinstance(config, OnlineConfig) else OfflineRun


@contextmanager
def open_session(run: Run, progress: Show, callbacks: Sequence[Callbacks]) -> "Iterator[Session]":
    """Open the display, let signals ask to stop, and close the run at the end."""
    title = f"{run.config.recipe} on {run.config.world}, seed {run.config.seed}, in {run.folder}"
    with closing(run), group.led(run), open_display(title, progress) as display, asked_to_stop() as stop:
        report = Reporter(run, [*callbacks, *([display] if display else [])], stop)
        yield Session(run, report, stop, shown=display is not None)


class Session:
    """Train a run in one process, until its budget is spent or a signal asks to stop."""

    def __init__(self, run: Run, report: Reporter, stop: StopRequest, shown: bool) -> None:
        self.run, self.report, self.stop, self.shown = run, report, stop, shown
        self.saved = time.monotonic()
        """When the latest checkpoint was written, or the session began."""
        self.saving = 0.0
        """The seconds that it took."""
        self.unchecked: tuple[Batch, Metrics] | None = None
        """The latest update. It is checked after the launch of the next, because a check makes a GPU wait."""

    def batches(self) -> Iterator[tuple[Batch, UpdateNoise]]:
        """Yield the batch and noise of every update until the budget is spent. Step, report and save between them."""
        run, report = self.run, self.report
        try:
            while True:
                self.keep_time()
                if run.overlaps:
                    self.check_finite()  # before the environment is played with these weights
                    run.begin_step()
                while run.updates_due() > 0 and not self.stop and run.time.left > 0:
                    run.cool_down()
                    yield run.next_batch()
                    self.save_if_overdue()
                if not run.overlaps:
                    self.check_finite()
                run.lease.check()
                self.stop.check()
                finished = run.finished
                self.report_if_due(finished)
                if finished:
                    run.save_result()  # a run that was killed after its last checkpoint may lack it
                    return
                report.pace.restart()
                run.step(report)
                report.pace.record("step")
                self.save_if_overdue()
        except Stopped:
            self.stop.saving = True
            self.save()
            raise Interrupted(f"Interrupted and saved: go on with `reverie resume {run.folder}`.") from None

    def keep_time(self) -> None:
        """Keep as much of the budget of time as the final evaluation and a save will take, by those so far."""
        if self.run.time.limited:
            self.run.time.keep(self.run.seconds_to_evaluate(self.report), self.saving)

    def record(self, batch: Batch, metrics: Metrics) -> None:
        """Count one update, which had this batch and these metrics, and check the update before it."""
        self.run.running_mean.add(metrics)
        self.run.collapse_detector.observe_metrics(metrics)
        self.run.clock.updates += 1
        self.check_finite()
        self.unchecked = batch, metrics
        self.report.pace.record("update")
        self.report.progress()

    def check_finite(self) -> None:
        """Raise UserError and save the batch if the unchecked update has a loss or gradient that is not finite."""
        if self.unchecked is None:
            return
        (batch, metrics), self.unchecked = self.unchecked, None
        checked = {name: x for name, x in metrics.items() if name.startswith(("loss/", "grad_norm/"))}
        if torch.isfinite(torch.stack(list(checked.values()))).all():
            return
        names = sorted(name for name, x in checked.items() if not torch.isfinite(x))
        path = self.run.folder / "nonfinite.pt"
        torch.save({"batch": vars(batch), "metrics": metrics}, path)
        raise UserError(
            f"Update {self.run.clock.updates} gave {', '.join(names)} that are not finite: the batch is in {path}, and "
            f"the last good checkpoint remains; look at the batch, or start anew with a smaller learning rate."
        )

    def save(self) -> None:
        """Write a checkpoint, if the latest update is finite."""
        began = time.monotonic()
        self.check_finite()
        self.report.checkpoint(self.run.save())
        self.saved = time.monotonic()
        self.saving = self.saved - began

    def save_if_overdue(self) -> None:
        """Write a checkpoint if the latest one is older than the config's minutes. It changes no result."""
        minutes = self.run.config.training.checkpoint_minutes
        if minutes > 0 and time.monotonic() - self.saved >= 60 * minutes:
            self.save()

    def report_if_due(self, finished: bool) -> None:
        """Log, evaluate and save if a multiple of the interval lies between the latest reports and now.

        `Stopped` leaves an evaluation that a signal stops as due, and the log of training as written.
        """
        run, config, now = self.run, self.run.config.training, self.run.progress_count

        def is_due(interval: int, before: int) -> bool:
            return interval > 0 and now // interval > before // interval

        logged, run.clock.logged = run.clock.logged, now
        if is_due(config.log_every, logged) or finished:
            self.report.training()
        if is_due(run.evaluation_interval, run.clock.reported):
            self.check_finite()
            began = time.monotonic()
            run.evaluate(self.report)
            self.report.evaluating = time.monotonic() - began
        before, run.clock.reported = run.clock.reported, now
        if finished and before < now and run.clock.updates == 0:
            run.logger.alarm(run.clock.moment, "no update", run.nothing_learned)
        if before < now and (is_due(config.checkpoint_every, before) or finished):
            self.save()

    def summarize(self) -> None:
        """Measure and draw the finished run, and print its results if progress was shown."""
        results = evaluate_finished(self.run.folder, self.shown)
        if self.shown:
            print("\n".join(results.sentences), flush=True)
