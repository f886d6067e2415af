"""What somebody else recorded, a robot perhaps, brought to the normal form: arrays to replay columns."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from reverie.data import validation
from reverie.data.replay import Replay, ReplayConfig
from reverie.errors import UserError
from reverie.files import atomic_write
from reverie.spaces import EnvSpec


@dataclass(frozen=True)
class Trajectory:
    """T observations by name, images uint8 (T, height, width, channels), vectors (T, n), and their rewards (T,).

    `actions` are the T - 1 between them, in the recorder's own unit or one-hot. `terminal`: no return follows.
    """

    obs: dict[str, np.ndarray]
    actions: np.ndarray
    rewards: np.ndarray
    terminal: bool = False

    def columns(self, actions: np.ndarray) -> dict[str, torch.Tensor]:
        """By replay name, with `actions` in the normal form and a zero for the last observation's."""
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
    """The actions that become -1 and 1, in the recorder's unit."""

    low: Float[np.ndarray, " A"]
    high: Float[np.ndarray, " A"]

    def completed(self, trajectories: list[Trajectory]) -> "Bounds":
        """The recorded range in place of each bound that is infinite."""
        actions = np.concatenate([trajectory.actions for trajectory in trajectories])
        actions = np.where(np.isfinite(actions), actions, 0)  # what is not finite is told elsewhere
        low = np.where(np.isfinite(self.low), self.low, actions.min(0))
        return Bounds(low, np.where(np.isfinite(self.high), self.high, actions.max(0)))

    def normal(self, actions: np.ndarray) -> np.ndarray:
        """`2 (a - low) / (high - low) - 1`, 0 where there is no choice; not clipped, so that a fault shows."""
        wide = self.high > self.low
        return np.where(
            wide, 2 * (actions - self.low) / np.where(wide, self.high - self.low, 1) - 1, actions - self.low
        )

    def write(self, folder: Path) -> None:
        """`actions.json`: how to give a recorder's machine what a model's actions mean."""
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
    """The replays to learn from and of what is held out, by trajectories; `bounds` None leaves actions as they are."""
    parts: tuple[list, list] = ([], [])
    for number, trajectory in enumerate(trajectories):
        actions = trajectory.actions if bounds is None else bounds.normal(trajectory.actions)
        columns = trajectory.columns(actions)
        validation.check(columns, spec, f"Episode {number} of {source}")
        parts[validation.held_out(number, share)].append(columns)
    validation.check_held_out(len(trajectories), source)
    train, test = (_replay(part, spec, device, generator) for part in parts)
    return train, test


def _replay(
    trajectories: list[dict[str, torch.Tensor]], spec: EnvSpec, device: torch.device, generator: torch.Generator
) -> Replay:
    length = sum(len(columns["reward"]) for columns in trajectories)
    replay = Replay(ReplayConfig(length), spec, device, generator, "recorded decisions:")
    for columns in trajectories:
        replay.add(columns)
    return replay


def check_actions(actions: np.ndarray, length: int, size: int, source: str) -> None:
    """Raise UserError unless there are `length` actions of `size` numbers."""
    if actions.shape != (length, size):
        raise UserError(f"{source} has actions of {actions.shape}: they must be {(length, size)}.")
