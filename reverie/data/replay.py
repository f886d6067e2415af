"""Replay: each collected frame once, in one row of numbered columns. A column is one decision, episodes are whole.

The newest columns, as many as the capacity, lie in a `Storage`. On disk they are a row of chunk files, each with the
columns that were added between two saves. A checkpoint stores a position in this row. Resuming drops the chunks after
it, so the model and the replay have the same age.
"""

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from reverie.config.checks import MAY_CHANGE, Checked, at_least
from reverie.data.chunks import Columns, layout
from reverie.data.storage import Ring, make_storage
from reverie.errors import UserError
from reverie.spaces import EnvSpec
from reverie.types import Batch


@dataclass(frozen=True)
class ReplayConfig(Checked):
    """How many decisions are stored, and where."""

    capacity: int = field(default=500_000, metadata=at_least(1))
    """Decisions that are kept, the newest ones."""
    storage: Literal["auto", "memory", "disk", "device"] = field(default="auto", metadata=MAY_CHANGE)
    """`memory`: main memory. `disk`: the run's own files. `device`: the memory of the model's device.

    `auto`: main memory if everything fits there, else the disk. All give the same bits."""
    windows: Literal["anywhere", "episodes"] = "anywhere"
    """How a sequence is drawn. `anywhere`: all columns alike, across the borders of episodes.

    `episodes`: all episodes alike, then within one, as published; shorter episodes than a sequence are left out."""
    ends: bool = False
    """Whether `episodes` draws their last sequence as often as `length` others, so that the model sees how they end."""
    latents: bool = False
    """Store beliefs, from which training sequences begin, on the model's device (DreamerV3; `data.latent_replay`)."""
    online: bool = False
    """Learn from every stretch of new experience once, as soon as it is complete, before older ones are drawn."""


class Episodes:
    """The number of the first column, and the columns, of each episode that was appended whole, oldest first.

    A table for each least length that was asked for grows at its end and is forgotten at its beginning. So neither
    adding nor drawing takes longer where more is stored.
    """

    def __init__(self, least: int = 0) -> None:
        self.least, self.rows, self.begin, self.end = least, np.empty((64, 2), np.int64), 0, 0
        self.longer: dict[int, Episodes] = {}

    def append(self, first: int, columns: int) -> None:
        if columns < self.least:
            return
        if self.end == len(self.rows):
            kept = self.table
            self.rows = np.empty((2 * len(kept) + 64, 2), np.int64)
            self.rows[: len(kept)] = kept
            self.begin, self.end = 0, len(kept)
        self.rows[self.end] = first, columns
        self.end += 1
        for table in self.longer.values():
            table.append(first, columns)

    def forget(self, before: int) -> None:
        """Forget the episodes that begin before column number `before`."""
        while self.begin < self.end and self.rows[self.begin, 0] < before:
            self.begin += 1
        for table in self.longer.values():
            table.forget(before)

    @property
    def table(self) -> np.ndarray:
        """A row an episode, (count, 2)."""
        return self.rows[self.begin : self.end]

    def at_least(self, columns: int) -> np.ndarray:
        """Return the table of the episodes with so many columns or more."""
        if columns not in self.longer:
            self.longer[columns] = Episodes(columns)
            for row in self.table.tolist():
                self.longer[columns].append(*row)
        return self.longer[columns].table


class Replay:
    """The newest columns of an agent's or recorded episodes. `generator`, one of the host, draws the windows.

    So a restored generator draws the same ones, wherever the columns lie.
    """

    def __init__(
        self,
        config: ReplayConfig,
        spec: EnvSpec,
        device: torch.device,
        generator: torch.Generator,
        setting: str = "--replay.capacity",
    ) -> None:
        """`setting` is the option that sets the capacity. UserError quotes it if there is too little memory."""
        self.config, self.capacity, self.device, self.generator = config, config.capacity, device, generator
        self.layout = layout(spec)
        self.storage = make_storage(config.storage, self.layout, config.capacity, device, setting)
        self.total = 0
        """Columns ever appended."""
        self.episodes = Episodes()
        self.queued = 0
        """The first column of the next sequence in the online queue."""

    @property
    def ring(self) -> Columns:
        """The tensors of a replay in memory, such as of recorded data. The column of number n is at `n % capacity`."""
        assert isinstance(self.storage, Ring)
        return self.storage.columns

    def __len__(self) -> int:
        return min(self.total, self.capacity)

    @property
    def oldest(self) -> int:
        """The number of the oldest column that is kept."""
        return self.total - len(self)

    def add(self, stretch: Columns) -> None:
        """Append columns. They replace the oldest ones if the replay is full."""
        self.storage.add(self.total, stretch)
        self._count(stretch["is_first"])

    def _count(self, is_first: Tensor) -> None:
        """Count columns that the storage has got."""
        begins = [*is_first.nonzero().flatten().tolist(), len(is_first)]
        for begin, end in itertools.pairwise(begins):
            self.episodes.append(self.total + begin, end - begin)
        self.total += len(is_first)
        self.episodes.forget(self.oldest)

    def add_episode(self, stretch: Columns, environment: int) -> None:
        """Append the columns of an episode that this environment has finished."""
        self.add(stretch)

    def sample(self, batch: int, length: int, queue: bool = False) -> Batch:
        """Draw `batch` windows of `length` columns as `ReplayConfig.windows` says; `is_first` marks borders in them.

        With `queue` those that are complete and were not drawn from the queue before come first.
        """
        return self._windows(self._starts(batch, length, queue), length)

    def _starts(self, batch: int, length: int, queue: bool) -> Tensor:
        """Draw the first columns (B, 1) of windows. The queue has one at every `length` columns."""
        self._count_windows(length, 1)
        first = max(self.queued, self.oldest)
        waiting = min(batch, (self.total - first) // length) if queue else 0
        if self.config.windows == "episodes":
            drawn = self._draw_in_episodes(batch - waiting, length)
        else:
            high = self.total - length + 1
            drawn = torch.randint(self.oldest, high, (batch - waiting, 1), generator=self.generator)
        if waiting == 0:
            return drawn
        self.queued = first + waiting * length
        return torch.cat([first + length * torch.arange(waiting)[:, None], drawn])

    def _draw_in_episodes(self, batch: int, length: int) -> Tensor:
        """Draw the first columns (B, 1) of windows that lie within one episode."""
        table = torch.from_numpy(self.episodes.at_least(length))
        if not len(table):
            raise UserError(
                f"No episode has {length} decisions: take a smaller --training.length, or --replay.windows anywhere."
            )
        first, columns = table[torch.randint(len(table), (batch,), generator=self.generator)].unbind(1)
        starts = columns - length + 1
        place = torch.rand(batch, generator=self.generator, dtype=torch.float64)
        place = (place * (starts + length * self.config.ends)).long()
        return (first + torch.minimum(place, starts - 1))[:, None]

    def sequential(self, length: int, most: int) -> Batch:
        """Return the oldest windows of `length` columns, end to end, at most `most` of them."""
        start = self.oldest + length * torch.arange(self._count_windows(length, most))
        return self._windows(start[:, None], length)

    def evenly_spaced(self, length: int, most: int) -> Batch:
        """Return windows of `length` columns, evenly spaced from the oldest to the newest, at most `most` of them."""
        count = self._count_windows(length, most)
        start = torch.linspace(self.oldest, self.total - length, count, dtype=torch.float64).round().long()
        return self._windows(start[:, None], length)

    def _count_windows(self, length: int, most: int) -> int:
        """Count the windows that fit end to end, up to `most`. UserError if none fits."""
        count = min(most, len(self) // length)
        if count == 0:
            has = f"There are {len(self)} decisions and a sequence has {length}"
            raise UserError(f"{has}: take a smaller --training.length, or record more (--training.prefill).")
        return count

    def _windows(self, start: Tensor, length: int) -> Batch:
        """Return the columns from number `start` (B, 1) to `start + length`, on the model's device."""
        return to_batch(self.storage.windows(start, length, list(self.layout)))

    def write(self, folder: Path, since: int) -> None:
        """Write the columns from number `since` to the newest as one chunk, atomically."""
        since = max(since, self.oldest)
        if since < self.total:
            self.storage.write(folder, since, self.total)

    def read(self, folder: Path, total: int) -> None:
        """Take over the columns before number `total`, as many as fit. UserError if one is missing."""
        self.total = max(0, total - self.capacity)
        for is_first in self.storage.read(folder, self.total, total):
            self._count(is_first)
        if self.total != total:
            raise UserError(f"{folder} lacks decisions {self.total} to {total}: restore that chunk from a copy.")


def to_batch(columns: Columns) -> Batch:
    """Return columns (B, T, ...) as a batch."""
    obs = {name.removeprefix("obs/"): x for name, x in columns.items() if name.startswith("obs/")}
    flags = columns["is_first"], columns["is_last"], columns["is_terminal"]
    return Batch(obs, columns["action"], columns["reward"], *flags)


def replay_of(stretches: list[Columns], spec: EnvSpec, device: torch.device, generator: torch.Generator) -> Replay:
    """Return a replay that holds exactly these columns."""
    length = sum(len(stretch["reward"]) for stretch in stretches)
    replay = Replay(ReplayConfig(length, "memory"), spec, device, generator, "recorded decisions:")
    for stretch in stretches:
        replay.add(stretch)
    return replay
