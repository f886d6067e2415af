"""Random interaction with an environment, recorded once into the run's folder."""

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import torch

from reverie import envs
from reverie.config.checks import at_least
from reverie.data.base import OnMessage, RecordedConfig, model_spec, with_privileged
from reverie.data.chunks import chunks
from reverie.data.collector import Collector, random_actions
from reverie.data.replay import Replay, ReplayConfig
from reverie.envs.base import EnvConfig


@dataclass(frozen=True)
class InteractionConfig(RecordedConfig):
    """Whole episodes of random actions. Only the last one is cut, to the number of decisions."""

    env: EnvConfig = field(default_factory=EnvConfig)
    """The environment that is played."""
    train: int = field(default=4_000, metadata=at_least(1))
    """Decisions to learn from, 1 or more."""
    test: int = field(default=400, metadata=at_least(1))
    """Held-out decisions, 1 or more."""
    privileged: tuple[str, ...] = ()
    """Observations beside `env.observe` that are recorded for evaluation. The model does not see them."""

    def environment(self) -> EnvConfig:
        return self.env

    @property
    def world(self) -> str:
        return self.env.id

    def build(self, folder: Path, seed: int, device: torch.device, generator: torch.Generator) -> "Interaction":
        return Interaction(self, folder, seed, device, generator)


class Interaction:
    """Implements `Recorded`. The seeds of the two parts differ."""

    def __init__(
        self, config: InteractionConfig, folder: Path, seed: int, device: torch.device, generator: torch.Generator
    ) -> None:
        self.folder, self.seed = folder / "replay", seed
        self.env = with_privileged(config.env, config.privileged)
        with closing(envs.make_many(self.env)) as environments:
            recorded = environments.spec
        self.spec = model_spec(recorded, config.privileged)
        self.train = Replay(ReplayConfig(config.train, "memory"), recorded, device, generator, "--data.train")
        self.test = Replay(ReplayConfig(config.test, "memory"), recorded, device, generator, "--data.test")

    def load(self, report: OnMessage) -> None:
        for stream, (name, part) in enumerate({"train": self.train, "test": self.test}.items()):
            if chunks(self.folder / name):
                part.read(self.folder / name, part.capacity)
            else:
                self._record(part, stream, report)
                part.write(self.folder / name, since=0)

    def _record(self, part: Replay, stream: int, report: OnMessage) -> None:
        generator = torch.Generator().manual_seed(2 * self.seed + stream)
        with closing(envs.make_many(self.env)) as environments:
            collector = Collector(environments, self.seed, stream)
            while part.total < part.capacity:
                for episode in collector.step(lambda obs, is_first: random_actions(environments, generator)):
                    left = part.capacity - part.total
                    part.add({name: column[:left] for name, column in episode.columns().items()})
                report(f"recording random interaction: {part.total:,} of {part.capacity:,} decisions")
