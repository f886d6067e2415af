"""Trajectories from elsewhere, such as a robot's, in the normal form: arrays to replay columns."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from reverie.data import validation
from reverie.data.replay import Replay, ReplayConfig
from reverie.files import atomic_write
from reverie.spaces import EnvSpec

Columns = dict[str, torch.Tensor]
"""An episode by replay name, leading axis T."""


@dataclass(frozen=True)
class Trajectory:
    """One episode: T observations by name, uint8 (T, height, width, channels) or vectors (T, n), and rewards (T,).

    `actions` are the T - 1 between the observations, in their recorded unit or one-hot. `terminal`: no return follows.
    """

    obs: dict[str, np.ndarray]
    actions: np.ndarray
    rewards: np.ndarray
    terminal: bool = False

    def columns(self, actions: np.ndarray) -> Columns:
        """Return the columns, with these `actions` in the normal form and a zero for the last."""
        length = len(self.rewards)
        last = np.arange(length) == length - 1
        columns = {f"obs/{name}": value for name, value in self.obs.items()} | {
            "action": np.concatenate([actions, np.zeros((1, actions.shape[1]))]).astype(np.float32),
            "reward": self.rewards.astype(np.float32),
            "is_first": np.arange(length) == 0,
            "is_last": last,
            "is_terminal": last & self.terminal,
        }
        return {name: torch.from_numpy(np.ascontiguousarray(column)) for name, column in columns.items()}


@dataclass(frozen=True)
class Bounds:
    """The actions that become -1 and 1, in their recorded unit."""

    low: Float[np.ndarray, " A"]
    high: Float[np.ndarray, " A"]

    def fill_from(self, trajectories: list[Trajectory]) -> "Bounds":
        """Return bounds in which each infinite one is the least or largest recorded action."""
        actions = np.concatenate([trajectory.actions for trajectory in trajectories])
        actions = np.where(np.isfinite(actions), actions, 0)  # `validation.check` reports what is not finite
        low = np.where(np.isfinite(self.low), self.low, actions.min(0))
        return Bounds(low, np.where(np.isfinite(self.high), self.high, actions.max(0)))

    def normalize(self, actions: np.ndarray) -> np.ndarray:
        """Return `2 (a - low) / (high - low) - 1`, and 0 for an empty range. Nothing is clipped, so a fault shows."""
        wide = self.high > self.low
        return np.where(
            wide, 2 * (actions - self.low) / np.where(wide, self.high - self.low, 1) - 1, actions - self.low
        )

    def write(self, folder: Path) -> None:
        """Write `actions.json`, by which a model's actions become those of the machine that recorded."""
        content = {"low": self.low.tolist(), "high": self.high.tolist()}
        atomic_write(folder / "actions.json", json.dumps(content, indent=1).encode())


def split(
    trajectories: list[Trajectory],
    spec: EnvSpec,
    bounds: Bounds | None,
    share: float,
    source: str,
    device: torch.device,
    generator: torch.Generator,
) -> tuple[Replay, Replay]:
    """Return the replays to learn from and to hold out. Without `bounds` the actions stay as they are."""
    parts: tuple[list[Columns], list[Columns]] = ([], [])
    for number, trajectory in enumerate(trajectories):
        actions = trajectory.actions if bounds is None else bounds.normalize(trajectory.actions)
        columns = trajectory.columns(actions)
        validation.check(columns, spec, f"Episode {number} of {source}")
        parts[validation.held_out(number, share)].append(columns)
    train, test = (_replay(part, spec, device, generator) for part in parts)
    return train, test


def _replay(trajectories: list[Columns], spec: EnvSpec, device: torch.device, generator: torch.Generator) -> Replay:
    length = sum(len(columns["reward"]) for columns in trajectories)
    replay = Replay(ReplayConfig(length), spec, device, generator, "recorded decisions:")
    for columns in trajectories:
        replay.add(columns)
    return replay
