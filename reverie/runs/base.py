"""A run: everything that training changes, the folder it is kept in, and how it is saved and restored.

run/
  config.json versions.json     the settings, and the software that ran them
  metrics.jsonl tensorboard/    the log
  checkpoints/ replay/          all that resuming needs
  agent.json agent.safetensors  the agent alone, for `reverie.load` (`model.*` where a model alone was learned)

`OnlineRun` (online.py) plays environments, `OfflineRun` (offline.py) fits a model to recorded data. The training loop
(loop.py) knows neither.
"""

import json
import platform
import subprocess
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch
from torch import nn

from reverie.agents.agent import choose_device
from reverie.config.files import check_readable, write_file
from reverie.errors import UserError
from reverie.files import atomic_write, remove_partial
from reverie.nn.optimizer import Optimizer
from reverie.runs import checkpoint
from reverie.runs.collapse import CollapseDetector
from reverie.runs.config import RunConfig
from reverie.runs.logger import Axis, Logger, Moment
from reverie.runs.update import Update, UpdateNoise
from reverie.types import Batch, Metrics


class Report(Protocol):
    """Where a run reports what happens in it (`runs.reporter`)."""

    def episode(self, undiscounted_return: float, decisions: int) -> None:
        """A training episode has ended."""

    def evaluation(self, values: dict[str, float]) -> None:
        """An evaluation has ended."""

    def features(self, values: dict[str, float], size: int | None = None) -> None:
        """Measures of the features, of `size` dimensions, in which a collapse would show."""

    def progress(self, message: str | None = None) -> None:
        """Something goes on, as `message` says."""


@dataclass
class Clock:
    """How far a run is, in the three units that must not be confused."""

    frames: int = 0
    decisions: int = 0
    updates: int = 0
    reported: int = 0
    """The `progress_count` of the latest reports: the log, evaluations and checkpoints."""

    @property
    def moment(self) -> Moment:
        """The present, for a line of the log."""
        return {"frames": self.frames, "decisions": self.decisions, "updates": self.updates}


class RunningMean:
    """The mean of metrics since the last line was logged; sums stay on the device until then."""

    def __init__(self) -> None:
        self.sums: Metrics = {}
        self.count = 0

    def add(self, metrics: Metrics) -> None:
        self.sums = {name: self.sums[name] + x for name, x in metrics.items()} if self.count else dict(metrics)
        self.count += 1

    def means(self) -> dict[str, float]:
        """The means so far; the next mean starts anew."""
        means = {name: float(x) / self.count for name, x in self.sums.items()}
        self.sums, self.count = {}, 0
        return means


C = TypeVar("C", bound=RunConfig)


class Run(ABC, Generic[C]):
    """What every run has. A subclass builds `modules`, `optimizers` and `update`, and implements the schedule."""

    unit: ClassVar[Axis]
    """The unit of its length, for the display and as the axis of its curves."""

    modules: dict[str, nn.Module]
    """Everything with weights, by the name that it has in a checkpoint."""
    optimizers: dict[str, Optimizer]
    update: Update

    def __init__(self, config: C, folder: Path) -> None:
        self.config, self.folder = config, folder
        self.device = choose_device(config.device)
        if config.threads:
            torch.set_num_threads(config.threads)
        self.generators = {
            "host": torch.Generator().manual_seed(config.seed),
            "device": torch.Generator(self.device).manual_seed(config.seed + 1),
        }
        self.clock, self.running_mean, self.collapse_detector = Clock(), RunningMean(), CollapseDetector()
        self.logger: Logger

    @classmethod
    def create(cls, config: C, folder: Path) -> "Run[C]":
        """A new run in an empty or new folder."""
        if folder.exists() and any(folder.iterdir()):
            raise UserError(
                f"{folder} is not empty: continue it with `reverie resume {folder}`, or take another --run."
            )
        check_readable(config)
        run = cls(config, folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / "config.json", config)
        atomic_write(folder / "versions.json", json.dumps(versions(run.device), indent=1).encode())
        run.logger = Logger(folder, run.unit)
        return run

    @classmethod
    def restore(cls, config: C, folder: Path) -> "Run[C]":
        """The run of `folder`, whose config this is, as its newest readable checkpoint left it."""
        if not checkpoint.paths(folder / "checkpoints"):
            raise UserError(f"{folder} was stopped before its first checkpoint: delete it and start it anew.")
        remove_partial(folder)
        state = checkpoint.newest(folder / "checkpoints")
        run = cls(config, folder)
        try:
            run.load_state(state)
        except BaseException:
            run.close()
            raise
        return run

    @property
    @abstractmethod
    def progress_count(self) -> int:
        """The count that intervals between reports refer to: agent steps or updates."""

    @property
    @abstractmethod
    def progress(self) -> tuple[int, int]:
        """How much is done, and of how much in all, in `unit`."""

    @property
    @abstractmethod
    def remaining(self) -> tuple[int, int]:
        """Calls of `step` and updates until the budget is spent, for the estimate of the time left."""

    @property
    @abstractmethod
    def evaluation_interval(self) -> int:
        """The interval between evaluations, in units of `progress_count`; 0 for none."""

    @property
    def finished(self) -> bool:
        """Whether the budget is spent."""
        done, total = self.progress
        return done >= total

    @abstractmethod
    def updates_due(self) -> int:
        """How many updates come before the next `step`: a function of the clocks, so nothing is lost on resuming."""

    @abstractmethod
    def next_batch(self) -> tuple[Batch, UpdateNoise]:
        """The batch and the noise of the next update."""

    @abstractmethod
    def step(self, report: Report) -> None:
        """What happens between two rounds of updates, such as one decision in every environment."""

    @abstractmethod
    def evaluate(self, report: Report) -> None:
        """Measure the present model or agent and report it; training does not depend on it."""

    @abstractmethod
    def save_result(self) -> None:
        """Write the trained model or agent alone, for those who use it."""

    def message(self) -> str | None:
        """What the display shows besides the numbers."""
        return None

    def save(self) -> Path:
        """Write a checkpoint, then the result."""
        path = checkpoint.write(self.folder / "checkpoints", self.progress_count, self.state())
        self.save_result()
        return path

    def state(self) -> dict[str, Any]:
        """Everything, as tensors, numbers, strings, lists and dicts."""
        return {
            "clock": asdict(self.clock),
            **{name: module.state_dict() for name, module in self.modules.items()},
            "optimizers": {name: optimizer.adam.state_dict() for name, optimizer in self.optimizers.items()},
            "generators": {name: generator.get_state() for name, generator in self.generators.items()},
            "running_mean": {"sums": self.running_mean.sums, "count": self.running_mean.count},
            "collapse_detector": self.collapse_detector.state(),
            "log_position": self.logger.position(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Become what `state` describes; the inverse of `state` and `save`."""
        self.clock = Clock(**state["clock"])
        for name, module in self.modules.items():
            module.load_state_dict(state[name])
        for name, optimizer in self.optimizers.items():
            optimizer.adam.load_state_dict(state["optimizers"][name])
        for name, generator in self.generators.items():
            generator.set_state(state["generators"][name].cpu())
        mean = state["running_mean"]
        self.running_mean.sums = {name: x.to(self.device) for name, x in mean["sums"].items()}
        self.running_mean.count = mean["count"]
        if "collapse_detector" in state:  # the first checkpoints of version 0.1 have none
            self.collapse_detector.load_state(state["collapse_detector"])
        self.logger = Logger(self.folder, self.unit, resume_at=state["log_position"], purge_step=self.progress[0])

    def close(self) -> None:
        """End the log."""
        if hasattr(self, "logger"):
            self.logger.close()


def versions(device: torch.device) -> dict[str, Any]:
    """Software, hardware and commit, to be reported beside every figure."""
    names = {"python": platform.python_version(), "platform": platform.platform(), "device": str(device)}
    if device.type == "cuda":
        names["device"] = torch.cuda.get_device_name(device)
    for package in ("reverie", "torch", "numpy", "gymnasium", "mujoco", "dm_control", "scikit-learn"):
        try:
            names[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    try:
        command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
        names["commit"] = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        names["commit"] = "none: installed from a package"
    return names
