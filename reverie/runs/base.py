"""A run: everything that training changes, the folder it is kept in, and how it is saved and restored.

run/
  config.json versions.json     what was asked for, and with which software
  metrics.jsonl tensorboard/    what was measured
  checkpoints/ replay/          what resuming needs, exactly
  agent.json agent.safetensors  the agent alone, for `reverie.load` (`model.*` where a model alone was learned)

`OnlineRun` (agent_run.py) plays environments, `OfflineRun` (fit_run.py) learns a model from what was recorded. The training
loop knows neither.
"""

import json
import platform
import subprocess
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from reverie.agents import agent as agents
from reverie.config.files import encode
from reverie.errors import UserError
from reverie.files import atomic_write, remove_partial
from reverie.nn.optimizer import Optimizer
from reverie.runs import checkpoint
from reverie.runs.collapse import CollapseDetector
from reverie.runs.logger import Axis, Logger
from reverie.runs.update import Update, UpdateNoise
from reverie.types import Batch, Metrics

if TYPE_CHECKING:
    from reverie.runs.reporter import Reporter


@dataclass
class Clock:
    """How far a run is, in the three units that must not be confused."""

    frames: int = 0
    decisions: int = 0
    updates: int = 0
    reported: int = 0
    """Ticks (`Run.ticks`) up to which the log, evaluations and checkpoints have been seen to."""


class Window:
    """The mean of metrics since the last line was logged; sums stay on the device until then."""

    def __init__(self) -> None:
        self.sums: Metrics = {}
        self.count = 0

    def add(self, metrics: Metrics) -> None:
        self.sums = {name: self.sums[name] + x for name, x in metrics.items()} if self.count else dict(metrics)
        self.count += 1

    def means(self) -> dict[str, float]:
        """The means so far, and a fresh start."""
        found = {name: float(x) / self.count for name, x in self.sums.items()}
        self.sums, self.count = {}, 0
        return found


class Run(ABC):
    """What every run has. A subclass builds `modules`, `optimizers` and `update`, and says what is left to do."""

    unit: ClassVar[Axis]
    """What its length is counted in, for the display and as the axis of its curves."""

    modules: dict[str, nn.Module]
    """Everything with weights, by the name that it has in a checkpoint."""
    optimizers: dict[str, Optimizer]
    update: Update

    def __init__(self, config: Any, folder: Path) -> None:
        self.config, self.folder = config, folder
        self.device = agents.choose_device(config.device)
        if config.threads:
            torch.set_num_threads(config.threads)
        self.generators = {
            "host": torch.Generator().manual_seed(config.seed),
            "device": torch.Generator(self.device).manual_seed(config.seed + 1),
        }
        self.clock, self.window, self.alarm = Clock(), Window(), CollapseDetector()
        self.logger: Logger

    @classmethod
    def create(cls, config: Any, folder: Path) -> "Run":
        """A new run in an empty or new folder."""
        if folder.exists() and any(folder.iterdir()):
            raise UserError(
                f"{folder} is not empty: continue it with `reverie resume {folder}`, or take another --run."
            )
        run = cls(config, folder)
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / "config.json", json.dumps(encode(config), indent=1).encode())
        atomic_write(folder / "versions.json", json.dumps(versions(run.device), indent=1).encode())
        run.logger = Logger(folder, run.unit)
        return run

    @classmethod
    def restore(cls, config: Any, folder: Path) -> "Run":
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
    def ticks(self) -> int:
        """What the intervals between reports are counted in: decisions or updates."""

    @property
    @abstractmethod
    def done(self) -> tuple[int, int]:
        """How much of how much, in `unit`."""

    @property
    def finished(self) -> bool:
        """Whether the budget is spent."""
        done, total = self.done
        return done >= total

    @abstractmethod
    def updates_due(self) -> int:
        """How many updates come before the next `advance`: a function of the clocks, so nothing is lost on resuming."""

    @abstractmethod
    def draw(self) -> tuple[Batch, UpdateNoise]:
        """The noise and the batch of the next update."""

    @abstractmethod
    def advance(self, report: "Reporter") -> None:
        """What happens between two rounds of updates."""

    @abstractmethod
    def evaluation_due(self, due: Any) -> bool:
        """Whether an evaluation is due, where `due(every)` says so of an interval in ticks."""

    @abstractmethod
    def evaluate(self, report: "Reporter") -> None:
        """Measure what was learned so far and report it; nothing that is learned depends on it."""

    @abstractmethod
    def save_result(self) -> None:
        """Write what was learned, alone, for those who use it."""

    def save_data(self) -> None:
        """Write what the state refers to, before it is written; nothing here."""
        return

    def tidy_data(self) -> None:
        """Remove what no checkpoint refers to any more; nothing here."""
        return

    def message(self) -> str | None:
        """What the display should say besides the numbers."""
        return None

    def save(self) -> None:
        """A checkpoint: first the data, then the state that refers to it, then the result."""
        self.save_data()
        checkpoint.write(self.folder / "checkpoints", self.ticks, self.state())
        self.save_result()
        self.tidy_data()

    def state(self) -> dict[str, Any]:
        """Everything, as tensors, numbers, strings, lists and dicts."""
        return {
            "clock": asdict(self.clock),
            **{name: module.state_dict() for name, module in self.modules.items()},
            "optimizers": {name: optimizer.adam.state_dict() for name, optimizer in self.optimizers.items()},
            "generators": {name: generator.get_state() for name, generator in self.generators.items()},
            "window": {"sums": self.window.sums, "count": self.window.count},
            "alarm": self.alarm.state(),
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
        self.window.sums = {name: x.to(self.device) for name, x in state["window"]["sums"].items()}
        self.window.count = state["window"]["count"]
        if "alarm" in state:  # checkpoints of older versions have none
            self.alarm.load_state(state["alarm"])
        self.logger = Logger(self.folder, self.unit, resume_at=state["log_position"], purge_step=self.done[0])

    def close(self) -> None:
        """End the log."""
        if hasattr(self, "logger"):
            self.logger.close()


def versions(device: torch.device) -> dict[str, Any]:
    """Software, hardware and commit: what a figure must be reported with."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "device": str(device)}
    if device.type == "cuda":
        found["device"] = torch.cuda.get_device_name(device)
    for package in ("reverie", "torch", "numpy", "gymnasium", "mujoco", "dm_control", "scikit-learn"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    try:
        asked = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
        found["commit"] = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        found["commit"] = "none: installed from a package"
    return found
