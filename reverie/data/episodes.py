"""Whole episodes: as an environment's steps, as arrays from elsewhere, and as columns of the replay."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from reverie.data import validation
from reverie.data.chunks import Columns
from reverie.data.replay import Replay, replay_of
from reverie.envs.base import Obs, Step
from reverie.files import atomic_write
from reverie.spaces import EnvSpec


@dataclass
class Episode:
    """One episode so far, and the seed of its reset. It has one action fewer than steps."""

    seed: int
    steps: list[Step] = field(default_factory=list)
    actions: list[np.ndarray] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        return bool(self.steps) and self.steps[-1].is_last

    @property
    def undiscounted_return(self) -> float:
        """The sum of rewards, in the environment's unit."""
        return float(sum(step.reward for step in self.steps))

    def frames(self, repeat: int) -> int:
        """Return the environment frames that were played; a step that does not say took `repeat`."""
        return sum(repeat if step.frames is None else step.frames for step in self.steps[1:])

    def columns(self) -> Columns:
        """Return a finished episode's columns."""
        obs, rewards = stack_obs([step.obs for step in self.steps]), np.array([step.reward for step in self.steps])
        return to_columns(obs, np.stack(self.actions), rewards, self.steps[-1].is_terminal)


def stack_obs(observations: list[Obs]) -> Obs:
    """Stack several observations along a new leading axis."""
    return {key: np.stack([obs[key] for obs in observations]) for key in observations[0]}


def to_columns(obs: Obs, actions: np.ndarray, rewards: np.ndarray, terminal: bool = False) -> Columns:
    """Return the columns of one whole episode. The action of its last column is zero.

    `obs` has T observations by name: uint8 (T, height, width, channels) or float32 (T, n). `actions` (T - 1, A) were
    chosen between them, `rewards` (T,) came with them. `terminal` means that no return follows the last one.
    """
    last = np.arange(len(rewards)) == len(rewards) - 1
    columns = {f"obs/{name}": value for name, value in obs.items()} | {
        "action": np.pad(actions, ((0, 1), (0, 0))),
        "reward": rewards.astype(np.float32),
        "is_first": np.arange(len(rewards)) == 0,
        "is_last": last,
        "is_terminal": last & terminal,
    }
    return {name: torch.from_numpy(np.ascontiguousarray(column)) for name, column in columns.items()}


class Bounds:
    """The recorded actions `low` and `high` (A,) that become -1 and 1.

    An infinite bound is replaced by the least or largest of the episodes' `actions` (T, A).
    """

    def __init__(self, low: np.ndarray, high: np.ndarray, actions: list[np.ndarray]) -> None:
        joined = np.concatenate(actions)
        joined = np.where(np.isfinite(joined), joined, 0)  # `validation.check` reports what is not finite
        self.low = np.where(np.isfinite(low), low, joined.min(0))
        self.high = np.where(np.isfinite(high), high, joined.max(0))

    @staticmethod
    def of(low: np.ndarray, high: np.ndarray, episodes: list[Columns]) -> "Bounds":
        """Return the bounds for `episodes` in their recorded unit."""
        return Bounds(low, high, [episode["action"][:-1].numpy() for episode in episodes])

    def normalize(self, episode: Columns) -> Columns:
        """Scale the actions: `2 (a - low) / (high - low) - 1`, and 0 for an empty range. Faults are not clipped."""
        wide, offset = self.high > self.low, episode["action"][:-1].numpy() - self.low
        scaled = np.where(wide, 2 * offset / np.where(wide, self.high - self.low, 1) - 1, offset)
        return episode | {"action": torch.from_numpy(np.pad(scaled, ((0, 1), (0, 0)))).float()}

    def write(self, folder: Path) -> None:
        """Write `actions.json`, which maps a model's actions to those of the recorded machine."""
        content = {"low": self.low.tolist(), "high": self.high.tolist()}
        atomic_write(folder / "actions.json", json.dumps(content, indent=1).encode())


def split(
    episodes: list[Columns], spec: EnvSpec, share: float, source: str, device: torch.device, generator: torch.Generator
) -> tuple[Replay, Replay]:
    """Return the replays to learn from and to hold out. UserError quotes `source` if an episode has a fault."""
    parts: tuple[list[Columns], list[Columns]] = ([], [])
    for number, episode in enumerate(episodes):
        validation.check(episode, spec, f"Episode {number} of {source}")
        parts[validation.held_out(number, share)].append(episode)
    train, test = (replay_of(part, spec, device, generator) for part in parts)
    return train, test
