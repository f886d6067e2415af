"""A dataset that `reverie collect` made. It is read and never changed."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from reverie.config.checks import at_least
from reverie.data import validation
from reverie.data.base import OnMessage, RecordedConfig, model_spec
from reverie.data.recording import Manifest, read_manifest
from reverie.data.replay import Replay, ReplayConfig, chunks, read_chunk
from reverie.envs.base import EnvConfig
from reverie.errors import UserError


@dataclass(frozen=True)
class DatasetConfig(RecordedConfig):
    """The dataset in `folder`, all of it or a beginning."""

    folder: str = ""
    train: int | None = field(default=None, metadata=at_least(1))
    """Transitions that are learned from, the first ones; None takes all that are not held out."""
    privileged: tuple[str, ...] | None = None
    """Observations that the model does not see; None takes those that were privileged when it was collected."""

    @property
    def world(self) -> str:
        return Path(self.folder).name

    def environment(self) -> EnvConfig:
        """The environment that was collected from, as a model of these data sees it."""
        manifest = self.manifest()
        return replace(manifest.env, observe=tuple(model_spec(manifest.spec, self.hidden(manifest)).obs))

    def manifest(self) -> Manifest:
        """Read the folder's manifest. UserError unless a whole dataset is there."""
        if not self.folder:
            raise UserError("No dataset is named: give its folder with --data.folder.")
        manifest = read_manifest(Path(self.folder))
        if not manifest.complete:
            raise UserError(f"{self.folder} was not finished: the same `reverie collect` command goes on with it.")
        return manifest

    def hidden(self, manifest: Manifest) -> tuple[str, ...]:
        """Return the recorded observations that the model does not see."""
        return manifest.privileged if self.privileged is None else self.privileged

    def build(self, folder: Path, seed: int, device: torch.device, generator: torch.Generator) -> "Dataset":
        return Dataset(self, device, generator)


class Dataset:
    """Implements `Recorded`."""

    def __init__(self, config: DatasetConfig, device: torch.device, generator: torch.Generator) -> None:
        self.folder, self.manifest = Path(config.folder), config.manifest()
        self.spec = model_spec(self.manifest.spec, config.hidden(self.manifest))
        columns = self.manifest.train.columns if config.train is None else self._columns(config.train)
        self.train, self.test = (
            Replay(ReplayConfig(length), self.manifest.spec, device, generator, "--data.train")
            for length in (columns, self.manifest.test.columns)
        )

    def load(self, report: OnMessage) -> None:
        for name, part in (("train", self.train), ("test", self.test)):
            report(f"reading {part.capacity:,} columns of {self.folder / name}")
            part.read(self.folder / name, part.capacity, only_read=True)
            validation.check(part.ring, self.manifest.spec, str(self.folder / name))

    def _columns(self, transitions: int) -> int:
        """Count the columns that hold the first `transitions`, up to what the last of their actions led to."""
        if transitions > self.manifest.train.transitions:
            raise UserError(
                f"{self.folder} has {self.manifest.train.transitions:,} transitions to learn from: take --data.train"
                " that many or fewer, or collect more."
            )
        left = transitions
        for start, _, path in chunks(self.folder / "train"):
            acted = (~read_chunk(path, ["is_last"])["is_last"]).nonzero()[:, 0]
            if left <= len(acted):
                return start + int(acted[left - 1]) + 2
            left -= len(acted)
        raise UserError(f"{self.folder / 'train'} lacks chunks that its dataset.json counts: restore them from a copy.")
