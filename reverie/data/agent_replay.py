"""The replay of an agent's run as data for another model. It is read and never changed."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch

from reverie.config.checks import MAY_CHANGE
from reverie.config.files import decode
from reverie.data import validation
from reverie.data.base import OnMessage, RecordedConfig
from reverie.data.chunks import chunks, read_chunk
from reverie.data.replay import Replay, ReplayConfig
from reverie.errors import UserError
from reverie.spaces import EnvSpec


@dataclass(frozen=True)
class AgentReplayConfig(RecordedConfig):
    """The replay of an agent's run."""

    run: str = field(default="", metadata=MAY_CHANGE)
    """The folder of the run."""
    held_out: float = field(default=0.1, metadata=validation.SHARE)
    """The share of the decisions that is held out, from 0.001 to 0.5. These are the newest."""

    @property
    def world(self) -> str:
        return Path(self.run).name

    def build(self, folder: Path, seed: int, device: torch.device, generator: torch.Generator) -> "AgentReplay":
        return AgentReplay(self, device, generator)


class AgentReplay:
    """Implements `Recorded`. The held-out part begins with an episode."""

    train: Replay
    test: Replay

    def __init__(self, config: AgentReplayConfig, device: torch.device, generator: torch.Generator) -> None:
        agent, self.folder, self.held_out = (
            Path(config.run) / "agent.json",
            Path(config.run) / "replay",
            config.held_out,
        )
        self.chunks = chunks(self.folder)
        if not config.run or not self.chunks or not agent.exists():
            raise UserError(f"'{config.run}' holds no replay: name the folder of an agent's run with --data.run.")
        try:
            self.spec = decode(EnvSpec, json.loads(agent.read_text())["spec"])
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{agent} is damaged ({error}): restore it from a copy.") from None
        self.device, self.generator = device, generator

    def load(self, report: OnMessage) -> None:
        oldest, newest = self.chunks[0][0], self.chunks[-1][1]
        is_first = torch.cat([read_chunk(path, ["is_first"])["is_first"] for _, _, path in self.chunks])
        starts = is_first.nonzero()[:, 0]
        early = starts[starts <= (1 - self.held_out) * (newest - oldest)].tolist()
        if not early or early[-1] == 0:
            raise UserError(f"The replay in {self.folder} has too few episodes to hold some out: let that run go on.")
        border = oldest + early[-1]
        self.train, self.test = self._read(oldest, border), self._read(border, newest)

    def _read(self, start: int, end: int) -> Replay:
        """Return a replay of the columns from number `start` to `end`."""
        part = Replay(ReplayConfig(end - start), self.spec, self.device, self.generator)
        part.read(self.folder, end)
        return part
