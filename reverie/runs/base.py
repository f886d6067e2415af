"""A run: everything that training changes, the folder that holds it, and how it is saved, restored and reported.

    run/
      config.json versions.json     the settings, and the software that ran them
      origin owner.json             whether it was made here, and the process that writes
      metrics.jsonl tensorboard/    the log
      checkpoints/ replay/          all that resuming needs
      agent.json agent.safetensors  the agent alone, for `reverie.load` (`model.*` for a model that does not act)

`OnlineRun` (online.py) plays environments, `OfflineRun` (offline.py) fits a model to recorded data. The training loop
(loop.py) depends on neither.
"""

import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import NoneType
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
import torch
from torch import nn

from reverie.agents.agent import choose_device
from reverie.config.files import check_readable, from_tree, to_tree
from reverie.errors import UserError
from reverie.files import Lease, remove_partial
from reverie.nn.optimizer import Optimizer
from reverie.progress import Callback, Callbacks, Progress
from reverie.runs import checkpoint
from reverie.runs.changes import check_changes
from reverie.runs.clocks import Clock, Pace, RunningMean
from reverie.runs.collapse import CollapseDetector
from reverie.runs.config import RunConfig, check_consistent
from reverie.runs.folder import check_new, write_config, write_versions
from reverie.runs.interrupt import StopRequest
from reverie.runs.logger import Axis, Logger
from reverie.runs.processor import choose_threads, keep_memory
from reverie.runs.structure import BYTES, COUNT, SCALAR, Each
from reverie.runs.time_budget import TimeBudget, cooldown
from reverie.runs.update import Update, UpdateNoise
from reverie.types import Batch

RECENT_RETURNS, SECONDS_BETWEEN = 10, 0.25
"""Training returns in a `Progress`, and the least time between two that no event causes."""
C = TypeVar("C", bound=RunConfig)


class Run(ABC, Generic[C]):
    """What every run has. A subclass builds `modules`, `optimizers` and `update`, and implements the schedule."""

    unit: ClassVar[Axis]
    """The unit of the budget, also for the display and as the axis of the curves."""
    interval_unit: ClassVar[Literal["decisions", "updates"]]
    """The unit of the intervals between reports."""
    evaluation_interval: int
    """The interval between evaluations, in `interval_unit`; 0 for none."""
    modules: dict[str, nn.Module]
    """Everything with weights, by its name in a checkpoint."""
    optimizers: dict[str, Optimizer]
    update: Update
    logger: Logger
    lease: Lease

    def __init__(self, config: C, folder: Path) -> None:
        self.config, self.folder, self.resources = config, folder, ExitStack()
        self.device = choose_device(config.device)
        keep_memory()
        if config.threads:
            torch.set_num_threads(config.threads)
        self.generators = {
            "host": torch.Generator().manual_seed(config.seed),
            "device": torch.Generator(self.device).manual_seed(config.seed + 1),
        }
        self.clock, self.running_mean, self.collapse_detector = Clock(), RunningMean(), CollapseDetector()
        self.time = TimeBudget(config.training.minutes)

    @classmethod
    def create(cls, config: C, folder: Path) -> "Run[C]":
        """Make a run in an empty or new folder."""
        check_new(folder)
        check_readable(config)
        check_consistent(config)
        config = config if config.threads else replace(config, threads=choose_threads(torch.get_num_threads()))
        run = cls(config, folder)
        with ExitStack() as failed:
            failed.callback(run.close)
            run.lease = Lease(folder)
            run.resources.callback(run.lease.release)
            check_new(folder)  # another process may have been quicker
            remove_partial(folder)
            write_config(config, folder)
            write_versions(run.device, folder)
            run.logger = run.resources.enter_context(Logger(folder, run.unit, **run.shown))
            failed.pop_all()
        return run

    @classmethod
    def restore(cls, config: C, folder: Path) -> "Run[C]":
        """Restore the run of `folder`, which has this config, from its newest readable checkpoint."""
        with ExitStack() as failed:
            lease = Lease(folder)
            failed.callback(lease.release)
            remove_partial(folder)
            saved, state = folder / "checkpoints", None
            if checkpoint.begun(saved):
                state = checkpoint.newest(saved, rename=True)
                check_same(state, config)
            run = cls(config, folder)
            failed.callback(run.close)
            if state is not None:
                run.load_state(checkpoint.check(state, run.form()))
                run.open_log(state["log_position"], state["device"])
            else:  # stopped before its first checkpoint
                run.clear()
                write_versions(run.device, folder)
                run.open_log(0)
            failed.pop_all()
        run.lease = lease
        run.resources.callback(lease.release)
        return run

    @property
    def progress_count(self) -> int:
        """The count that intervals between reports refer to."""
        return getattr(self.clock, self.interval_unit)

    @property
    def progress(self) -> tuple[int, int]:
        """How much is done, and the budget, in `unit`."""
        return getattr(self.clock, self.unit), getattr(self.config.training, self.unit)

    @property
    def finished(self) -> bool:
        """Whether the budget is spent, that of time included."""
        done, total = self.progress
        return done >= total or self.time.left <= 0

    @property
    def rate(self) -> float:
        """What learning rates are multiplied by now, for the budget and that of time."""
        done, total = self.progress
        return min(self.time.rate, cooldown(max(0.0, 1 - done / total), self.config.training.cooldown))

    def cool_down(self) -> None:
        """Shorten the steps of all optimizers as the budgets ask."""
        if self.time.limited or self.config.training.cooldown:
            self.tell("scale_steps", rate := self.rate)
            self.scale_steps(rate)

    def scale_steps(self, scale: float) -> None:
        """Shorten the steps of all optimizers from now on."""
        for optimizer in self.optimizers.values():
            optimizer.scale_steps(scale)

    @property
    def shown(self) -> dict[str, Any]:
        """What the log needs for its trackers."""
        return {"trackers": self.config.log, "config": to_tree(self.config)}

    @property
    @abstractmethod
    def remaining(self) -> tuple[int, int]:
        """Calls of `step` and updates until the budget is spent, for the estimate of the time left."""

    @abstractmethod
    def updates_due(self) -> int:
        """Return how many updates come before the next `step`, from the clocks alone: resuming loses nothing."""

    @abstractmethod
    def next_batch(self) -> tuple[Batch, UpdateNoise]:
        """Return the batch and the noise of the next update."""

    def tell(self, method: str, *arguments: Any) -> None:
        """Call a method of this run on the ranks that follow (`runs.group`). A run of one process has none."""

    @property
    def overlaps(self) -> bool:
        """Whether a step begins before the updates that are due, and ends after them."""
        return False

    def begin_step(self) -> None:
        """Begin what the next `step` ends, if there is anything to begin."""

    @abstractmethod
    def step(self, report: "Reporter") -> None:
        """Do what comes between two rounds of updates, such as one decision in every environment."""

    @abstractmethod
    def evaluate(self, report: "Reporter") -> None:
        """Measure the present model or agent and report it. Training does not depend on the outcome."""

    @abstractmethod
    def seconds_to_evaluate(self, report: "Reporter") -> float | None:
        """Return about how long the final evaluation will take. None where nothing was measured yet."""

    @abstractmethod
    def save_result(self) -> None:
        """Write the trained model or agent alone, without what resuming needs."""

    nothing_learned = "The run made no update: give it a larger budget."
    """The warning of a run that ends without an update."""

    def message(self) -> str | None:
        """Return what the display shows besides the numbers."""
        return None

    def clear(self) -> None:
        """Delete what a run that was stopped before its first checkpoint has left, and begin anew."""

    def open_log(self, position: int, device: str | None = None) -> None:
        """Open the log and cut it to `position`. Warn if the run was on another kind of `device`."""
        start = self.progress[0] + 1 if position else 0
        self.logger = self.resources.enter_context(Logger(self.folder, self.unit, position, start, **self.shown))
        if device not in (None, self.device.type):
            text = f"The run moves from {device} to {self.device.type}: from here on it draws other noise."
            self.logger.alarm(self.clock.moment, "device", text)
            warnings.warn(text, stacklevel=2)

    def save(self) -> Path:
        """Write a checkpoint, then the result."""
        path = checkpoint.write(self.folder / "checkpoints", self.progress_count, self.state())
        self.save_result()
        return path

    def state(self) -> dict[str, Any]:
        """Return everything that a checkpoint holds, as tensors, numbers, strings, lists and dicts."""
        return {
            "config": to_tree(self.config),
            "device": self.device.type,
            "clock": asdict(self.clock),
            "time": self.time.state(),
            **{name: module.state_dict() for name, module in self.modules.items()},
            "optimizers": {name: optimizer.rule.state() for name, optimizer in self.optimizers.items()},
            "generators": {name: generator.get_state() for name, generator in self.generators.items()},
            "running_mean": dict(vars(self.running_mean)),
            "collapse_detector": self.collapse_detector.state(),
            "log_position": self.logger.position(),
        }

    def form(self) -> dict[str, Any]:
        """Return the form of what `state` returns (`runs.structure`)."""
        return {
            "config": (dict, NoneType),
            "device": str,
            "clock": {item.name: COUNT for item in fields(Clock)},
            "time": dict.fromkeys(self.time.state(), float),
            **{name: module.state_dict() for name, module in self.modules.items()},
            "optimizers": {name: optimizer.rule.form() for name, optimizer in self.optimizers.items()},
            "generators": {"host": self.generators["host"].get_state(), "device": BYTES},
            "running_mean": {"sums": Each(SCALAR, dict), "count": COUNT},
            "collapse_detector": {
                "start": (float, NoneType),
                "scales": Each([COUNT, float]),
                "raised": Each(str, dict),
            },
            "log_position": COUNT,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned, on any device."""
        self.clock = Clock(**state["clock"])
        self.time.load_state(state["time"])
        for name, module in self.modules.items():
            module.load_state_dict(state[name])
        for name, optimizer in self.optimizers.items():
            optimizer.rule.load_state(state["optimizers"][name])
        mean = state["running_mean"]
        self.running_mean = RunningMean({name: x.to(self.device) for name, x in mean["sums"].items()}, mean["count"])
        self.collapse_detector.load_state(state["collapse_detector"])
        self._load_generators(state["generators"], state["device"])

    def _load_generators(self, states: dict[str, torch.Tensor], device: str) -> None:
        """Restore the generators. The state of one on another kind of `device` means nothing here.

        Then a new seed follows from the run's seed and the clock, so going on twice computes the same.
        """
        try:
            self.generators["host"].set_state(states["host"])
            if device == self.device.type:
                self.generators["device"].set_state(states["device"])
                return
        except RuntimeError as error:
            raise UserError(f"The checkpoint of {self.folder} holds no state of a generator ({error}).") from error
        sequence = np.random.SeedSequence([self.config.seed, self.clock.decisions, self.clock.updates])
        self.generators["device"].manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> 1))

    def close(self) -> None:
        """Close the log and what else is open."""
        self.resources.close()


class Reporter:
    """Write the log, call the callbacks and warn of collapse, in one process of a run.

    Nothing here changes what the run computes.
    """

    def __init__(self, run: Run, callbacks: Sequence[Callbacks], stop: StopRequest) -> None:
        self.run, self.callbacks, self.stop, self.pace = run, callbacks, stop, Pace()
        self.started, self.started_at = time.monotonic(), run.progress[0]
        self.values: dict[str, float] = {}
        self.returns: list[float] = []
        self.latest_evaluation: float | None = None
        self.longest, self.evaluating, self.shown = 0, 0.0, 0.0
        """Decisions of the longest episode, seconds of the latest evaluation, and the time of the latest display."""

    def episode(self, undiscounted_return: float, decisions: int) -> None:
        """Log a training episode."""
        self.returns.append(undiscounted_return)
        self.longest = max(self.longest, decisions)
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
        """Log a warning if measures of the features, of `size` dimensions, show a new collapse."""
        clock = self.run.clock
        warnings = self.run.collapse_detector.read(clock.updates, values, size)
        for kind, text in warnings.items():
            self.run.logger.alarm(clock.moment, kind, text)
        if warnings:
            self._show()

    def progress(self, message: str | None = None) -> None:
        """Show how far the run is, a few times a second at most."""
        if self.callbacks and time.monotonic() - self.shown > SECONDS_BETWEEN:
            self._show(message=message)

    def working(self, message: str) -> None:
        """Show a message about work between updates that takes long. `Stopped` if a signal has asked to stop."""
        self.stop.check()
        self.progress(message)

    def _show(self, event: Callable[[Callback, Progress], None] | None = None, message: str | None = None) -> None:
        """Give every callback the progress, then the event."""
        run, self.shown = self.run, time.monotonic()
        done, total = run.progress
        remaining = self.pace.remaining(*run.remaining)
        if run.time.limited:
            remaining = run.time.left if remaining is None else min(remaining, run.time.left)
        progress = Progress(
            unit=run.unit,
            done=done,
            total=total,
            decisions=run.clock.decisions,
            updates=run.clock.updates,
            seconds=self.shown - self.started,
            started_at=self.started_at,
            values=self.values,
            returns=self.returns[-RECENT_RETURNS:],
            message=message or run.message() or run.collapse_detector.message,
            evaluation=self.latest_evaluation,
            remaining=remaining,
            time_spent=run.time.share,
        )
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                callback(progress)
                continue
            callback.on_progress(progress)
            if event is not None:
                event(callback, progress)


def check_same(state: dict[str, Any], config: RunConfig) -> None:
    """Raise UserError where the config differs from that of a checkpoint in a setting that cannot change."""
    path, tree = Path(state["file"]), state.get("config")
    if tree is not None:  # format 1 has none
        check_changes(from_tree(RunConfig, tree, path), config, f"in {path.name}", "in config.json")
