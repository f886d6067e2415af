"""A dataset that `reverie collect` made. It is read and never changed."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from reverie.config.checks import MAY_CHANGE, at_least
from reverie.data import validation
from reverie.data.base import OnMessage, RecordedConfig, model_spec
from reverie.data.chunks import chunks, read_chunk
from reverie.data.recording import Manifest, read_manifest
from reverie.data.replay import Replay, ReplayConfig
from reverie.envs.base import EnvConfig
from reverie.errors import UserError
from reverie.spaces import EnvSpec


@dataclass(frozen=True)
class DatasetConfig(RecordedConfig):
    """A dataset that `reverie collect` made, or the beginning of one."""

    folder: str = field(default="", metadata=MAY_CHANGE)
    """The folder of the dataset."""
    train: int | None = field(default=None, metadata=at_least(1))
    """Transitions to learn from, the first ones. None takes all that are not held out."""
    privileged: tuple[str, ...] | None = None
    """Observations that the model does not see. None takes those that were privileged in the collection."""

    @property
    def world(self) -> str:
        return Path(self.folder).name

    def environment(self) -> EnvConfig:
        """Return the recorded environment with the observations that a model sees."""
        manifest = self.manifest()
        return replace(manifest.env, observe=tuple(self.spec(manifest).obs))

    def manifest(self) -> Manifest:
        """Read the folder's manifest. UserError unless the folder holds a complete dataset."""
        if not self.folder:
            raise UserError("No dataset is named: give its folder with --data.folder.")
        manifest = read_manifest(Path(self.folder))
        if not manifest.complete:
            raise UserError(f"{self.folder} was not finished: the same `reverie collect` command goes on with it.")
        return manifest

    def spec(self, manifest: Manifest) -> EnvSpec:
        """Return what the model sees."""
        return model_spec(manifest.spec, manifest.privileged if self.privileged is None else self.privileged)

    def build(self, folder: Path, seed: int, device: torch.device, generator: torch.Generator) -> "Dataset":
        return Dataset(self, device, generator)


class Dataset:
    """Implements `Recorded`."""

    def __init__(self, config: DatasetConfig, device: torch.device, generator: torch.Generator) -> None:
        self.folder, self.manifest = Path(config.folder), config.manifest()
        self.spec, recorded = config.spec(self.manifest), self.manifest.spec
        columns = self.manifest.train.columns if config.train is None else self._count_columns(config.train)
        self.train = Replay(ReplayConfig(columns, "memory"), recorded, device, generator, "--data.train")
        self.test = Replay(
            ReplayConfig(self.manifest.test.columns, "memory"), recorded, device, generator, "--data.train"
        )

    def load(self, report: OnMessage) -> None:
        for name, part in (("train", self.train), ("test", self.test)):
            report(f"reading {part.capacity:,} columns of {self.folder / name}")
            part.read(self.folder / name, part.capacity)
            validation.check(part.ring, self.manifest.spec, str(self.folder / name))

    def _count_columns(self, transitions: int) -> int:
        """Count the columns that hold the first `transitions`, including the observation after the last of them."""
        if transitions > (most := self.manifest.train.transitions):
            raise UserError(
                f"{self.folder} has {most:,} transitions to learn from: take a smaller --data.train, or collect more."
            )
        acted: list[int] = []
        for start, _, path in chunks(self.folder / "train"):
            acted += (start + (~read_chunk(path, ["is_last"])["is_last"]).nonzero()[:, 0]).tolist()
            if len(acted) >= transitions:
                return acted[transitions - 1] + 2
        return self.manifest.train.columns  # `load` reports the missing chunk
