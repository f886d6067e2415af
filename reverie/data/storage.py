"""Where the columns of a replay lie: in a ring of tensors, or in the replay's own chunk files.

Both give the same bits for the same numbers. Columns are numbered from the first one that was ever added.
"""

import math
import os
import re
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from reverie.data.chunks import Chunk, Columns, Layout, check_form, chunks, read_chunk, write_chunk
from reverie.errors import UserError

CONTROL_GROUP = Path("/sys/fs/cgroup")
"""The control group of this process, as a container sees it."""
MOST_UNWRITTEN = 2**28
"""Bytes that a replay on the disk keeps in memory before they are written, a checkpoint or not."""
SHARE = 0.9
"""The share of the free memory that a ring may take."""


class Storage(Protocol):
    """Columns by their number. Only the newest ones, as many as the replay has, are asked for."""

    def add(self, number: int, stretch: Columns) -> None:
        """Add columns, of which the first has this number, the next one."""
        ...

    def windows(self, start: Tensor, length: int, names: list[str]) -> Columns:
        """Return the columns from numbers `start` (B, 1) to `start + length`, (B, T, ...), on the model's device."""
        ...

    def whole(self, name: str) -> Tensor:
        """Return one part of all columns, on the host. That of number n lies at `n % capacity`."""
        ...

    def write(self, folder: Path, since: int, total: int) -> None:
        """Write the columns from number `since` to `total` as one chunk, atomically, without a copy in memory."""
        ...

    def read(self, folder: Path, oldest: int, total: int) -> Iterator[Tensor]:
        """Take over the columns from number `oldest` to `total`, and yield `is_first` of one stretch after another.

        They end where a chunk is missing. UserError if one is damaged, or holds other columns.
        """
        ...

    @property
    def is_full(self) -> bool:
        """Whether columns should be written now, to free memory."""
        ...


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


def make_storage(
    place: Literal["auto", "memory", "disk", "device"], columns: Layout, capacity: int, device: torch.device, fix: str
) -> Storage:
    """Return the storage of `capacity` columns for a model on `device`. `auto`: in memory, or on the disk if too large.

    UserError if there is too little memory. It quotes `fix`, the option that sets the capacity.
    """
    size = sum(math.prod(shape) * dtype.itemsize for shape, dtype in columns.values())
    ring = device if place == "device" else torch.device("cpu")
    if place == "disk":
        return Disk(columns, capacity, device)
    if capacity * size <= SHARE * (free := available_memory(ring)):
        return Ring(columns, capacity, ring, device)
    if place == "auto":
        return Disk(columns, capacity, device)
    disk = "--replay.storage disk, " if fix.startswith("--replay") else ""
    raise UserError(
        f"The replay of {capacity:,} decisions needs {capacity * size / 2**30:.2f} GiB and {free / 2**30:.2f} GiB are "
        f"free on {ring}: take {disk}{fix} {int(SHARE * free / size)} or less, or smaller images."
    )


def _empty(columns: Layout, shape: tuple[int, ...], place: torch.device, device: torch.device) -> Columns:
    """Return tensors on `place` to be filled, in pinned memory if they then go from the host to a GPU."""
    pinned = place.type == "cpu" and device.type == "cuda"
    return {
        name: torch.empty(*shape, *own, dtype=dtype, device=place, pin_memory=pinned)
        for name, (own, dtype) in columns.items()
    }


class Ring:
    """A ring of tensors on `place`: the column of number n lies at `n % capacity`."""

    is_full = False

    def __init__(self, columns: Layout, capacity: int, place: torch.device, device: torch.device) -> None:
        self.layout, self.capacity, self.place, self.device = columns, capacity, place, device
        self.columns = {
            name: torch.empty(capacity, *shape, dtype=dtype, device=place) for name, (shape, dtype) in columns.items()
        }

    def add(self, number: int, stretch: Columns) -> None:
        length = len(stretch["reward"])
        for begin, end in _parts(max(number, number + length - self.capacity), number + length, self.capacity):
            where = begin % self.capacity
            for name, ring in self.columns.items():
                ring[where : where + end - begin] = stretch[name][begin - number : end - number].to(self.place)

    def windows(self, start: Tensor, length: int, names: list[str]) -> Columns:
        place = self.place
        where = (start.to(place) + torch.arange(length, device=place)) % self.capacity
        found = _empty({name: self.layout[name] for name in names}, (where.numel(),), self.place, self.device)
        for name, x in found.items():  # ten times as fast as indexing, on a CPU
            torch.index_select(self.columns[name], 0, where.flatten(), out=x)
        return {name: x.unflatten(0, where.shape).to(self.device, non_blocking=True) for name, x in found.items()}

    def whole(self, name: str) -> Tensor:
        return self.columns[name].cpu()

    def write(self, folder: Path, since: int, total: int) -> None:
        parts = _parts(since, total, self.capacity)
        ranges = [(begin % self.capacity, begin % self.capacity + end - begin) for begin, end in parts]
        write_chunk(folder, since, *({name: x[a:b] for name, x in self.columns.items()} for a, b in ranges))

    def read(self, folder: Path, oldest: int, total: int) -> Iterator[Tensor]:
        for begin, until, (start, _, path) in _needed(folder, oldest, total):
            whole = read_chunk(path, list(self.layout))
            check_form(path, {name: (tuple(x.shape[1:]), x.dtype) for name, x in whole.items()}, self.layout)
            stretch = {name: x[begin - start : until - start] for name, x in whole.items()}
            self.add(begin, stretch)
            yield stretch["is_first"]


class Unwritten(NamedTuple):
    """Columns that lie in memory until they are written."""

    start: int
    columns: Columns

    def read(self, number: int, into: Columns) -> None:
        begin = number - self.start
        for name, x in into.items():
            x.copy_(self.columns[name][begin : begin + len(x)])


class Disk:
    """Columns in chunk files, and in memory those that were not written yet.

    Windows are read, not mapped. So a process keeps nothing of them, and a file that is cut is an error and no crash.
    What is read often, the system keeps in its cache of files. No file stays open. Checksums are always compared.
    """

    def __init__(self, columns: Layout, capacity: int, device: torch.device) -> None:
        self.layout, self.capacity, self.device = columns, capacity, device
        self.segments: list[Chunk | Unwritten] = []
        self.ends: list[int] = []
        """The number after the last column of each segment."""
        self.since = 0
        """The number of the first column that is not written."""

    @property
    def is_full(self) -> bool:
        row = sum(math.prod(shape) * dtype.itemsize for shape, dtype in self.layout.values())
        return bool(self.ends) and (self.ends[-1] - self.since) * row >= MOST_UNWRITTEN

    def add(self, number: int, stretch: Columns) -> None:
        end = number + len(stretch["reward"])
        own = {name: stretch[name].to(dtype) for name, (_, dtype) in self.layout.items()}
        self.segments.append(Unwritten(number, own))
        self.ends.append(end)
        gone = bisect_right(self.ends, end - self.capacity)
        del self.segments[:gone], self.ends[:gone]

    def windows(self, start: Tensor, length: int, names: list[str]) -> Columns:
        found = _empty(self.layout, (len(start), length), torch.device("cpu"), self.device)
        for row, number in enumerate(start[:, 0].tolist()):
            self._fill(number, {name: x[row] for name, x in found.items()})
        return {name: found[name].to(self.device, non_blocking=True) for name in names}

    def _fill(self, number: int, into: Columns) -> None:
        """Fill tensors with the columns from `number` on, which may lie in several segments."""
        begin, length = 0, len(next(iter(into.values())))
        while begin < length:
            at = bisect_right(self.ends, number + begin)
            end = min(length, self.ends[at] - number)
            self.segments[at].read(number + begin, {name: x[begin:end] for name, x in into.items()})
            begin = end

    def whole(self, name: str) -> Tensor:
        shape, dtype = self.layout[name]
        ring = torch.empty(self.capacity, *shape, dtype=dtype)
        for begin, end in _parts(max(0, self.ends[-1] - self.capacity), self.ends[-1], self.capacity):
            where = begin % self.capacity
            self._fill(begin, {name: ring[where : where + end - begin]})
        return ring

    def write(self, folder: Path, since: int, total: int) -> None:
        first = bisect_right(self.ends, max(since, self.since))
        waiting = [segment for segment in self.segments[first:] if isinstance(segment, Unwritten)]
        since = max(since, waiting[0].start)
        parts = [{name: x[max(0, since - start) :] for name, x in columns.items()} for start, columns in waiting]
        write_chunk(folder, since, *parts)
        self.segments[first:], self.ends[first:] = [Chunk(folder, since, total, self.layout)], [total]
        self.since = total

    def read(self, folder: Path, oldest: int, total: int) -> Iterator[Tensor]:
        for begin, until, (start, end, _) in _needed(folder, oldest, total):
            chunk = Chunk(folder, start, end, self.layout)
            self.segments.append(chunk)
            self.ends.append(until)
            self.since, is_first = until, torch.empty(until - begin, dtype=torch.bool)
            chunk.read(begin, {"is_first": is_first})
            yield is_first


def _parts(begin: int, end: int, capacity: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of numbers that lie together in a ring."""
    while begin < end:
        until = min(end, begin - begin % capacity + capacity)
        yield begin, until
        begin = until


def _needed(folder: Path, oldest: int, total: int) -> Iterator[tuple[int, int, tuple[int, int, Path]]]:
    """Yield the chunks that hold the columns from number `oldest` to `total`, and which of these each holds."""
    for start, end, path in chunks(folder):
        if start <= oldest < min(end, total):
            yield oldest, min(end, total), (start, end, path)
            oldest = min(end, total)
