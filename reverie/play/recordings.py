"""Steps that a run has recorded: where a dream may begin, and pictures for a model that decodes none."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from reverie.data.chunks import Columns, chunks, layout, read_chunk
from reverie.data.interaction import InteractionConfig
from reverie.data.replay import Replay, to_batch
from reverie.evaluation.generation import MOST_IMAGES
from reverie.play.dream import Dream
from reverie.runs.config import OfflineConfig, read_config
from reverie.spaces import EnvSpec
from reverie.types import Batch

CONTEXT = 5
"""Recorded steps that the model sees before a dream begins."""
MOST = 5_000
"""Columns that are read, the newest ones."""


class Recordings:
    """Columns of whole episodes. A window of them never crosses the border of an episode."""

    def __init__(self, columns: Columns) -> None:
        self.columns, self.count = columns, len(columns["reward"])
        first, last = columns["is_first"].numpy(), columns["is_last"].numpy()
        number = np.arange(self.count)
        begin = np.maximum.accumulate(np.where(first, number, 0))
        age = number - begin
        self.length = min(CONTEXT, int(age.max()) + 1)
        self.moments = np.flatnonzero((age >= self.length - 1) & ~last)
        if not len(self.moments):  # every episode ends where the context does
            self.moments = np.flatnonzero(age >= self.length - 1)
        """Columns at which a dream may begin."""

    def at(self, moments: np.ndarray, device: torch.device) -> Batch:
        """Return the context that ends at each of these columns, (B, length)."""
        where = torch.from_numpy(moments[:, None] - np.arange(self.length)[::-1])
        return to_batch({name: column[where].to(device) for name, column in self.columns.items()})

    def draw(self, count: int, rng: np.random.Generator, device: torch.device) -> Batch:
        """Draw `count` contexts, (B, length)."""
        return self.at(rng.choice(self.moments, count), device)


def read_recordings(folder: Path, spec: EnvSpec) -> Recordings | None:
    """Return the newest recorded steps of a run; None if its folder has none. UserError if they are damaged."""
    names, config = list(layout(spec)), read_config(folder)
    if isinstance(config, OfflineConfig):
        part = _held_out(folder, config, torch.device("cpu"))
        if part is None:
            return None
        count = min(MOST, len(part))
        newest = part.storage.windows(torch.tensor([[part.total - count]]), count, names)
        return Recordings({name: window[0] for name, window in newest.items()})
    stretches: list[Columns] = []
    for _, _, path in reversed(chunks(folder / "replay")):
        stretches.insert(0, read_chunk(path, names))
        if sum(len(stretch["reward"]) for stretch in stretches) >= MOST:
            break
    if not stretches:
        return None
    return Recordings({name: torch.cat([stretch[name] for stretch in stretches]) for name in names})


def held_out(folder: Path, device: torch.device) -> Batch | None:
    """Return held-out sequences of a fitted model's data; None if they are not in the folder."""
    config = read_config(folder)
    part = _held_out(folder, config, device) if isinstance(config, OfflineConfig) else None
    return None if part is None else part.sequential(config.training.length, MOST_IMAGES)


def _held_out(folder: Path, config: OfflineConfig, device: torch.device) -> Replay | None:
    if isinstance(config.data, InteractionConfig) and not chunks(folder / "replay" / "test"):
        return None  # it would be recorded anew
    recorded = config.data.build(folder, config.seed, device, torch.Generator())
    recorded.load(lambda text: None)
    return recorded.test


class Memories:
    """Recorded images by the features that the model gives them: the nearest one draws a belief without a decoder."""

    MOST = 2_000

    def __init__(self, dream: Dream, recordings: Recordings) -> None:
        self.name = dream.model.normalize.images[0]
        every = max(1, recordings.count // self.MOST)
        self.images = recordings.columns[f"obs/{self.name}"][::every]
        obs = {name: recordings.columns[f"obs/{name}"][::every] for name in dream.spec.obs}
        with torch.no_grad():
            parts = [dream.model.encode(dream.model.normalize(part)) for part in _parts(obs, 100, dream.device)]
        self.features = torch.cat(parts)

    def nearest(self, features: torch.Tensor) -> dict[str, np.ndarray]:
        """Return the image, uint8 (B, h, w, c), whose features are nearest to each of (B, F)."""
        index = torch.cdist(features, self.features).argmin(-1).cpu()
        return {self.name: self.images[index].numpy()}


def _parts(obs: dict[str, torch.Tensor], size: int, device: torch.device) -> Iterator[dict[str, torch.Tensor]]:
    count = len(next(iter(obs.values())))
    for start in range(0, count, size):
        yield {name: x[start : start + size].to(device) for name, x in obs.items()}
