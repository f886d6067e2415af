"""Training: update, log, evaluate, checkpoint, step, until the budget is spent.

A run can be killed at any moment. Its next life begins at the last checkpoint and computes, on a CPU, bit for bit what
the uninterrupted run would have.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Literal

import torch

from reverie.config.files import write_file
from reverie.config.overrides import as_text, override
from reverie.envs import from_python
from reverie.errors import UserError
from reverie.progress import Callbacks
from reverie.runs.base import Run
from reverie.runs.config import OnlineConfig, RunConfig, read_config
from reverie.runs.display import open_display
from reverie.runs.environment import EnvArgument, choose_environment
from reverie.runs.interrupt import Interrupted, asked_to_stop
from reverie.runs.offline import OfflineRun
from reverie.runs.online import OnlineRun
from reverie.runs.reporter import Reporter
from reverie.runs.results import summarize
from reverie.runs.update import UpdateNoise
from reverie.types import Batch, Metrics

EXTENDABLE = (
    *("training.frames", "training.updates", "training.log_every", "training.checkpoint_every"),
    *("training.evaluate_every", "evaluation", "goals", "goal_episodes"),
)
"""Settings that may change when a run is resumed: budget, evaluation and log. `training.updates` only offline."""


def train(
    config: RunConfig,
    folder: str | Path | None = None,
    *,
    progress: bool | Literal["auto"] = "auto",
    callbacks: Sequence[Callbacks] = (),
    env: EnvArgument | None = None,
    evaluate: bool = True,
) -> Path:
    """Train in a new `folder` until the budget is spent, evaluate and draw the results. Returns the folder.

    Args:
        config: what a recipe returns (`reverie.recipe`), or one of your own.
        folder: new or empty; by default `runs/RECIPE-ENV-SEED`, with a number where that exists.
        progress: show a progress bar and the results; `auto` does so in a terminal or notebook, True elsewhere too.
        callbacks: functions of each `Progress`, or objects of `reverie.progress.Callback` for episodes, evaluations and
            checkpoints too.
        env: an environment instead of the config's: an id, an `EnvConfig`, or a class, factory or object of
            Gymnasium's API. To resume or evaluate a run of the last three, `env` must be given again.
        evaluate: end with the final evaluation (`evaluation.json`, curve, films), as the command does.

    Raises `UserError` for mistakes, and `Interrupted`, after saving, at Ctrl-C.
    """
    config = with_environment(config, env)
    run = _kind(config).create(config, Path(folder) if folder is not None else free_folder(config))
    with Session(run, progress, callbacks) as session:
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
    overrides: Mapping[str, Any] | None = None,
    progress: bool | Literal["auto"] = "auto",
    callbacks: Sequence[Callbacks] = (),
    env: EnvArgument | None = None,
    evaluate: bool = True,
) -> Path:
    """Continue the run of `folder` from its newest checkpoint; a finished one too, with a larger budget.

    `frames` and `updates` are the new budget in all; `overrides` are settings by dotted path. Only budget, evaluation
    and log intervals may change. The other arguments are those of `train`.
    """
    folder = Path(folder)
    before = read_config(folder)
    config = extended(before, frames, updates, overrides or {})
    if env is not None and with_environment(config, env) != config:
        raise UserError("A run is resumed in the environment that it began in: `env` gives the same one again.")
    from_python.require(config.env)
    run = _kind(config).restore(config, folder)
    if config != before:
        write_file(folder / "config.json", config)
    with Session(run, progress, callbacks) as session:
        for batch, noise in session.batches():
            session.record(batch, run.update(batch, noise))
    if evaluate:
        session.summarize()
    return folder


def with_environment(config: RunConfig, env: EnvArgument | None) -> RunConfig:
    """The config with another environment to play, or to record."""
    if env is None:
        return config
    if config.env is None:
        raise UserError(f"{config.world} is recorded data, so there is no environment that `env` could replace.")
    chosen = choose_environment(config.env, env)
    if isinstance(config, OnlineConfig):
        if from_python.is_object(chosen) and config.evaluation.every > 0:
            raise UserError(
                "One environment object cannot be evaluated while it is trained in: set evaluation.every to 0, or give "
                "its class or a factory."
            )
        return replace(config, env=chosen)
    return replace(config, data=replace(config.data, env=chosen))  # pyrefly: ignore


def extended(config: RunConfig, frames: int | None, updates: int | None, overrides: Mapping[str, Any]) -> RunConfig:
    """The config of a run with a new budget. UserError for a setting that would change what was computed so far."""
    texts = {path: as_text(value) for path, value in overrides.items()}
    texts |= {"training.frames": str(frames)} if frames is not None else {}
    texts |= {"training.updates": str(updates)} if updates is not None else {}
    budget = "training.frames" if isinstance(config, OnlineConfig) else "training.updates"
    for path in texts:
        of_a_round = path == "training.updates" and budget == "training.frames"
        if of_a_round or not (path in EXTENDABLE or path.startswith("evaluation.")):
            raise UserError(
                f"`{path}` cannot change in a run that has begun: only the budget (--{budget}), evaluation and log"
                " intervals can; train anew in another folder."
            )
    return override(config, texts)


def free_folder(config: RunConfig) -> Path:
    """`runs/RECIPE-ENV-SEED`, with the first number behind it that makes it new."""
    name = f"{config.recipe}-{config.world.replace('/', '-')}-{config.seed}"
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(Path("runs") / name for name in names if not (Path("runs") / name).exists())


def _kind(config: RunConfig) -> type[Run]:
    return OnlineRun if isinstance(config, OnlineConfig) else OfflineRun


class Session:
    """One life of a run, from its start or last checkpoint to its end or Ctrl-C: a context manager that closes it."""

    def __init__(self, run: Run, progress: bool | Literal["auto"], callbacks: Sequence[Callbacks]) -> None:
        self.run, self.check = run, FiniteCheck(run)
        self._show, self._callbacks, self._open = progress, callbacks, ExitStack()

    def __enter__(self) -> "Session":
        config, stack = self.run.config, self._open
        stack.callback(self.run.close)
        title = f"{config.recipe} on {config.world}, seed {config.seed}, in {self.run.folder}"
        display = stack.enter_context(open_display(title, self._show))
        self.shown = display is not None
        self.report = Reporter(self.run, [*self._callbacks, *([display] if display else [])])
        self.stop = stack.enter_context(asked_to_stop())
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def batches(self) -> Iterator[tuple[Batch, UpdateNoise]]:
        """The batch and noise of every update until the budget is spent; steps, reports and saves between them."""
        run, report = self.run, self.report
        while True:
            while run.updates_due() > 0 and not self.stop:
                yield run.next_batch()
            self.check.check_pending()  # before anything acts by these weights
            if self.stop:
                report.checkpoint(run.save())
                raise Interrupted(f"Interrupted and saved: go on with `reverie resume {run.folder}`.")
            finished = run.finished
            report_if_due(run, report, finished)
            if finished:
                run.save_result()  # killed after its last checkpoint, a run may lack it
                return
            report.pace.restart()
            run.step(report)
            report.pace.record("step")

    def record(self, batch: Batch, metrics: Metrics) -> None:
        """Count one update, whose metrics these are."""
        run = self.run
        run.running_mean.add(metrics)
        run.collapse_detector.observe_metrics(metrics)
        run.clock.updates += 1
        self.check.check(batch, metrics)
        self.report.pace.record("update")
        self.report.progress()

    def summarize(self) -> None:
        """Measure and draw the finished run, and print its results where progress was shown."""
        if self.shown:
            print("evaluating ...", flush=True)
        results = summarize(self.run.folder)
        if self.shown:
            print("\n".join(results.sentences), flush=True)


def report_if_due(run: Run, report: Reporter, finished: bool) -> None:
    """Log, evaluate and save where a multiple of the interval lies between the last reports and now."""
    config, clock, now = run.config.training, run.clock, run.progress_count
    before, clock.reported = clock.reported, now

    def is_due(interval: int) -> bool:
        return interval > 0 and now // interval > before // interval

    if is_due(config.log_every) or finished:
        report.training()
    if is_due(run.evaluation_interval):
        run.evaluate(report)
    if before < now and (is_due(config.checkpoint_every) or finished):
        report.checkpoint(run.save())


class FiniteCheck:
    """Stops a run whose losses or gradients are no longer finite, one update later.

    An immediate check would make a GPU wait for the host. So the batch and metrics of an update wait until the next
    update has been launched.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.pending: tuple[Batch, Metrics] | None = None

    def check(self, batch: Batch, metrics: Metrics) -> None:
        """Check the update before, and let this one wait."""
        self.check_pending()
        self.pending = batch, metrics

    def check_pending(self) -> None:
        """Check the update that waits. Raises UserError and saves its batch where it is not finite."""
        if self.pending is None:
            return
        (batch, metrics), self.pending = self.pending, None
        checked = {name: x for name, x in metrics.items() if name.startswith(("loss/", "grad_norm/"))}
        if bool(torch.isfinite(torch.stack(list(checked.values()))).all()):
            return
        names = sorted(name for name, x in checked.items() if not torch.isfinite(x))
        path = self.run.folder / "nonfinite.pt"
        torch.save({"batch": vars(batch), "metrics": metrics}, path)
        raise UserError(
            f"Update {self.run.clock.updates} gave {', '.join(names)} that are not finite: the batch is in {path}, and "
            f"the last good checkpoint remains; look at the batch, or start anew with a smaller learning rate."
        )
