"""A run: everything that training changes, the folder it is kept in, and how it is saved and restored.

run/
  config.json versions.json     what was asked for, and with which software
  metrics.jsonl tensorboard/    what was measured
  checkpoints/ replay/          what resuming needs, exactly
  agent.json agent.safetensors  the agent alone, for `reverie.load`
"""

import json
import platform
import subprocess
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from reverie import agent as agents
from reverie import checkpoint, config_io, envs, tree
from reverie.agent import Agent, AgentConfig, Carry
from reverie.collect import Collector
from reverie.config import Config
from reverie.data import replay as replays
from reverie.data.replay import Replay
from reverie.disk import atomic_write, remove_partial
from reverie.errors import UserError
from reverie.logger import Logger
from reverie.optimiser import Optimiser
from reverie.types import Metrics


@dataclass
class Clock:
    """How far a run is, in the three units that must not be confused."""

    frames: int = 0
    decisions: int = 0
    updates: int = 0
    reported: int = 0
    """Decisions up to which the log, evaluations and checkpoints have been seen to."""


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


class Run:
    """All state of one run. Made anew by `Run.create`, brought back by `Run.restore`; `close` it."""

    def __init__(self, config: Config, folder: Path) -> None:
        self.config, self.folder = config, folder
        self.device = agents.choose_device(config.device)
        if config.threads:
            torch.set_num_threads(config.threads)
        self.environments = envs.make_many(config.env)
        try:
            self.spec = self.environments.spec
            host = torch.Generator().manual_seed(config.seed)
            self.generators = {
                "host": host,
                "device": torch.Generator(self.device).manual_seed(config.seed + 1),
            }
            self.replay = Replay(config.replay, self.spec, self.device, host)
            with torch.random.fork_rng():
                torch.manual_seed(config.seed)
                self.agent, self.learner = self._build()
            self.optimisers: dict[str, Optimiser] = {
                "model": Optimiser(config.model.optimiser, self.agent.model.parameters()),
                **self.learner.optimisers(),
            }
        except BaseException:
            self.environments.close()
            raise
        self.collector = Collector(self.environments, config.seed)
        self.carry: Carry = self.agent.initial(self.environments.count)
        self.clock, self.window = Clock(), Window()
        self.stored = 0
        """Replay columns that are safe on disk."""
        self.learning_since = -1
        """Decisions at the end of the prefill; -1 during it."""
        self.logger: Logger

    def _build(self) -> tuple[Agent, Any]:
        config = self.config
        agent_config = AgentConfig(self.spec, config.model, config.behavior.policy, config.env)
        agent = agents.build(agent_config)
        learner = config.behavior.build(self.spec, agent.model.dynamics.feature_size)
        agent.actor.policy = learner.policy
        return agent.to(self.device), learner.to(self.device)

    @classmethod
    def create(cls, config: Config, folder: Path) -> "Run":
        """A new run in an empty or new folder."""
        if folder.exists() and any(folder.iterdir()):
            raise UserError(
                f"{folder} is not empty: continue it with `reverie resume {folder}`, or take another --run."
            )
        run = cls(config, folder)
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / "config.json", json.dumps(config_io.encode(config), indent=1).encode())
        atomic_write(folder / "versions.json", json.dumps(versions(run.device), indent=1).encode())
        run.logger = Logger(folder)
        return run

    @classmethod
    def restore(cls, folder: Path) -> "Run":
        """The run of `folder` as its newest readable checkpoint left it."""
        if not (folder / "config.json").exists():
            raise UserError(f"{folder} is not the folder of a run: it has no config.json.")
        config = config_io.read(Config, folder / "config.json")
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

    def save(self) -> None:
        """A checkpoint: first the replay's new columns, then the state that refers to them, then the agent."""
        before = self.stored
        self.replay.write(self.folder / "replay", since=before)
        self.stored = self.replay.total
        checkpoint.write(self.folder / "checkpoints", self.clock.decisions, self.state())
        self.agent.save(self.folder)
        # The older of the two checkpoints that are kept needs the ring as it was then.
        replays.prune(self.folder / "replay", before - self.replay.capacity)

    def state(self) -> dict[str, Any]:
        """Everything, as tensors, numbers, strings, lists and dicts."""
        return {
            "clock": asdict(self.clock),
            "learning_since": self.learning_since,
            "agent": self.agent.state_dict(),
            "learner": self.learner.state_dict(),
            "optimisers": {name: optimiser.adam.state_dict() for name, optimiser in self.optimisers.items()},
            "generators": {name: generator.get_state() for name, generator in self.generators.items()},
            "replay_total": self.replay.total,
            "collector": self.collector.state(),
            "carry": tree.leaves(self.carry),
            "window": {"sums": self.window.sums, "count": self.window.count},
            "log_position": self.logger.position(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Become what `state` describes; the inverse of `state` and `save`."""
        self.clock = Clock(**state["clock"])
        self.learning_since = state["learning_since"]
        self.agent.load_state_dict(state["agent"])
        self.learner.load_state_dict(state["learner"])
        for name, optimiser in self.optimisers.items():
            optimiser.adam.load_state_dict(state["optimisers"][name])
        for name, generator in self.generators.items():
            generator.set_state(state["generators"][name].cpu())
        self.replay.read(self.folder / "replay", state["replay_total"])
        self.stored = self.replay.total
        self.collector.restore(state["collector"])
        saved = iter(state["carry"])
        self.carry = tree.map(lambda _: next(saved).to(self.device), self.carry)
        self.window.sums = {name: x.to(self.device) for name, x in state["window"]["sums"].items()}
        self.window.count = state["window"]["count"]
        self.logger = Logger(self.folder, resume_at=state["log_position"], purge_step=self.clock.frames)

    def close(self) -> None:
        """End the environments and the log."""
        self.environments.close()
        if hasattr(self, "logger"):
            self.logger.close()


def versions(device: torch.device) -> dict[str, Any]:
    """Software, hardware and commit: what a figure must be reported with."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "device": str(device)}
    if device.type == "cuda":
        found["device"] = torch.cuda.get_device_name(device)
    for package in ("reverie", "torch", "numpy", "gymnasium", "mujoco", "dm_control"):
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
