"""Replay: one ring of tensors that holds each collected frame once. A column is one decision, episodes are whole.

On disk the ring is a row of chunk files. Each holds the columns that were added between two checkpoints and is named by
their numbers: `000000000000-000000005000.safetensors`. A checkpoint stores a position in this row. Resuming drops the
chunks after it, so the model and the replay have the same age.
"""

import math
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from reverie.config.checks import MAY_CHANGE, Checked, at_least
from reverie.errors import UserError
from reverie.files import atomic_write
from reverie.spaces import EnvSpec
from reverie.tree import checksum
from reverie.types import Batch

CONTROL_GROUP = Path("/sys/fs/cgroup")
"""The control group of this process, as a container sees it."""
Columns = dict[str, Tensor]
"""Consecutive columns by the names of `layout`, with leading axis T."""


@dataclass(frozen=True)
class ReplayConfig(Checked):
    """How many decisions are stored, and where."""

    capacity: int = field(default=500_000, metadata=at_least(1))
    """Decisions that are kept, the newest ones."""
    storage: Literal["host", "device"] = field(default="host", metadata=MAY_CHANGE)
    """`host`: main memory, pinned if the model is on a GPU. `device`: the memory of the model's device."""
    windows: Literal["anywhere", "episodes"] = "anywhere"
    """How a sequence is drawn. `anywhere`: all columns alike, across the borders of episodes.

    `episodes`: all episodes alike, then within one, as published; shorter episodes than a sequence are left out."""
    ends: bool = False
    """Whether `episodes` draws their last sequence as often as `length` others, so that the model sees how they end."""
    latents: bool = False
    """Store beliefs, from which training sequences begin, on the model's device (DreamerV3; `data.latent_replay`)."""
    online: bool = False
    """Learn from every stretch of new experience once, as soon as it is complete, before older ones are drawn."""


def available_memory(device: torch.device) -> int:
    """Return the free bytes on `device`. Host memory counts as free if it is available without swapping.

    A container may have a limit of its own, in version 1 or 2 of control groups.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    meminfo = Path("/proc/meminfo")
    if meminfo.exists() and (available := re.search(r"MemAvailable:\s*(\d+) kB", meminfo.read_text())):
        free = int(available[1]) * 1024
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):  # no such file, or "max", which is no limit
            free = min(free, int((CONTROL_GROUP / limit).read_text()) - int((CONTROL_GROUP / used).read_text()))
    return free


def layout(spec: EnvSpec) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Return the shape and dtype of each stored column by name."""
    return {
        **{f"obs/{key}": (space.shape, getattr(torch, space.dtype)) for key, space in sorted(spec.obs.items())},
        "action": ((spec.action.size,), torch.float32),
        "reward": ((), torch.float32),
        **dict.fromkeys(("is_first", "is_last", "is_terminal"), ((), torch.bool)),
    }


def bytes_per_decision(spec: EnvSpec) -> int:
    return sum(math.prod(shape) * dtype.itemsize for shape, dtype in layout(spec).values())


class Replay:
    """A ring of columns. `generator` draws the windows, so a restored generator draws the same ones."""

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
        self.storage = device if config.storage == "device" else torch.device("cpu")
        size, free = bytes_per_decision(spec), available_memory(self.storage)
        if config.capacity * size > 0.9 * free:
            raise UserError(
                f"The replay of {config.capacity:,} decisions needs {config.capacity * size / 2**30:.2f} GiB and"
                f" {free / 2**30:.2f} GiB are free on {self.storage}: take {setting} {int(0.9 * free / size)} or less,"
                " or smaller images."
            )
        pinned = self.storage.type == "cpu" and device.type == "cuda"
        self.ring = {
            name: torch.empty(config.capacity, *shape, dtype=dtype, device=self.storage, pin_memory=pinned)
            for name, (shape, dtype) in layout(spec).items()
        }
        self.total = 0
        """Columns ever appended. The next one is written at `total % capacity`."""
        self.episodes: list[tuple[int, int]] = []
        """The number of the first column, and the columns, of each episode that was appended whole, oldest first."""
        self.queued = 0
        """The first column of the next sequence in the online queue."""

    def __len__(self) -> int:
        return min(self.total, self.capacity)

    @property
    def oldest(self) -> int:
        """The number of the oldest column in the ring."""
        return self.total - len(self)

    def add(self, stretch: Columns) -> None:
        """Append columns. They replace the oldest ones if the ring is full."""
        length = len(stretch["reward"])
        where = torch.arange(self.total, self.total + length, device=self.storage) % self.capacity
        kept = slice(max(0, length - self.capacity), None)
        for name, ring in self.ring.items():
            ring[where[kept]] = stretch[name][kept].to(self.storage)
        begins = [*stretch["is_first"].nonzero().flatten().tolist(), length]
        self.episodes += [(self.total + begin, end - begin) for begin, end in pairwise(begins)]
        self.total += length
        self.episodes = [episode for episode in self.episodes if episode[0] >= self.oldest]

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
        table = torch.tensor([episode for episode in self.episodes if episode[1] >= length])
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
        where = ((start + torch.arange(length)) % self.capacity).to(self.storage)
        windows = {name: ring[where].to(self.device, non_blocking=True) for name, ring in self.ring.items()}
        return to_batch(windows)

    def write(self, folder: Path, since: int) -> None:
        """Write the columns from number `since` to the newest as one chunk, atomically."""
        since = max(since, self.oldest)
        if since < self.total:
            where = torch.arange(since, self.total, device=self.storage) % self.capacity
            write_chunk(folder, since, {name: ring[where].cpu() for name, ring in self.ring.items()})

    def read(self, folder: Path, total: int) -> None:
        """Fill the ring with the columns before number `total`, as many as fit. UserError if one is missing."""
        self.total = max(0, total - self.capacity)
        for start, end, path in chunks(folder):
            if start <= self.total < min(end, total):
                stretch = read_chunk(path, list(self.ring))
                for name, x in stretch.items():
                    own = self.ring[name]
                    if (x.dtype, x.shape[1:]) != (own.dtype, own.shape[1:]):
                        raise UserError(
                            f"{path} holds {name} as {x.dtype} {tuple(x.shape[1:])}, which should be {own.dtype} "
                            f"{tuple(own.shape[1:])}: restore it from a copy."
                        )
                self.add({name: x[self.total - start : total - start] for name, x in stretch.items()})
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
    replay = Replay(ReplayConfig(length), spec, device, generator, "recorded decisions:")
    for stretch in stretches:
        replay.add(stretch)
    return replay


def write_chunk(folder: Path, since: int, stretch: Columns) -> None:
    """Write columns as one chunk, atomically. `since` is the number of the first column."""
    end = since + len(stretch["reward"])
    content = save(stretch, metadata={"crc32": checksum(stretch)})
    atomic_write(folder / f"{since:012d}-{end:012d}.safetensors", content)


def read_chunk(path: Path, names: list[str]) -> Columns:
    """Read the columns `names` of a chunk. UserError if it is damaged: the checksum needs all of its columns."""
    try:
        with safe_open(path, framework="pt") as file:
            stretch = {name: file.get_tensor(name) for name in names}
            if len(names) == len(file.keys()) and checksum(stretch) != (file.metadata() or {}).get("crc32"):
                raise ValueError("wrong checksum")
        if len({len(column) for column in stretch.values()}) != 1:
            raise ValueError("columns of different lengths")
    except Exception as error:
        raise UserError(f"The replay chunk {path} cannot be read ({error}): restore it from a copy.") from error
    return stretch


def chunks(folder: Path) -> list[tuple[int, int, Path]]:
    """List the chunks in `folder` in order: number of the first column, number after the last, file."""
    names = ((re.fullmatch(r"(\d{12})-(\d{12})\.safetensors", path.name), path) for path in folder.glob("*"))
    return sorted((int(match[1]), int(match[2]), path) for match, path in names if match)


def prune(folder: Path, before: int = 0, since: float = math.inf) -> None:
    """Delete the chunks whose columns all lie before number `before`, or all at number `since` or later."""
    for start, end, path in chunks(folder):
        if end <= before or start >= since:
            path.unlink()
