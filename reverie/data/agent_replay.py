"""The replay of an agent's run, to learn another model from. It is read and never changed."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch

from reverie.config.files import decode
from reverie.data import validation
from reverie.data.base import OnMessage, RecordedConfig
from reverie.data.replay import Replay, ReplayConfig, chunks
from reverie.errors import UserError
from reverie.spaces import EnvSpec


@dataclass(frozen=True)
class AgentReplayConfig(RecordedConfig):
    """`run`: the folder of an agent's run. `held_out`: the share of its decisions, the newest, that is held out."""

    run: str = ""
    held_out: float = field(default=0.1, metadata=validation.SHARE)

    @property
    def world(self) -> str:
        return Path(self.run).name

    def build(self, folder: Path, seed: int, device: torch.device, generator: torch.Generator) -> "AgentReplay":
        return AgentReplay(self, device, generator)


class AgentReplay:
    """Implements `Recorded`. The held-out part begins with an episode."""

    def __init__(self, config: AgentReplayConfig, device: torch.device, generator: torch.Generator) -> None:
        folder = Path(config.run)
        self.folder, self.held_out = folder / "replay", config.held_out
        self.chunks = chunks(self.folder)
        if not config.run or not self.chunks or not (folder / "agent.json").exists():
            raise UserError(f"'{config.run}' holds no replay: name the folder of an agent's run with --data.run.")
        self.spec = _read_spec(folder / "agent.json")
        self.device, self.generator = device, generator
        self.train: Replay
        self.test: Replay

    def load(self, report: OnMessage) -> None:
        oldest, newest = self.chunks[0][0], self.chunks[-1][1]
        replay = Replay(ReplayConfig(newest - oldest), self.spec, torch.device("cpu"), self.generator)
        replay.read(self.folder, newest)
        order = torch.arange(oldest, newest) % replay.capacity
        columns = {name: ring[order] for name, ring in replay.ring.items()}
        starts = columns["is_first"].nonzero()[:, 0]
        early = starts[starts <= (1 - self.held_out) * len(order)]
        border = int(early[-1]) if len(early) else 0
        if border == 0:
            raise UserError(f"The replay in {self.folder} has too few episodes to hold some out: let that run go on.")
        self.train, self.test = (
            self._part({name: column[where] for name, column in columns.items()})
            for where in (slice(border), slice(border, None))
        )

    def _part(self, columns: dict[str, torch.Tensor]) -> Replay:
        part = Replay(ReplayConfig(len(columns["reward"])), self.spec, self.device, self.generator)
        part.add(columns)
        return part


def _read_spec(path: Path) -> EnvSpec:
    """Read what the agent observes and does, and nothing else of it."""
    try:
        return decode(EnvSpec, json.loads(path.read_text())["spec"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}): restore it from a copy.") from None
