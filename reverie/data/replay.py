"""Replay: one ring of tensors that holds everything collected, each frame once.

Episodes are appended whole, one after another. A column is one decision. A sample is B windows of T columns, drawn
uniformly over all windows that the ring holds. Windows cross episode borders, which `is_first` marks.

On disk the ring is a row of chunk files, one for each stretch that was written between two checkpoints. They are named
by the numbers of their columns: `000000000000-000000005000.safetensors`. A checkpoint names a position. What was
written after it is dropped when a run resumes, so model and replay are always of one age.
"""

import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import safe_open
from torch import Tensor

from reverie.errors import UserError
from reverie.files import atomic_write
from reverie.spaces import EnvSpec
from reverie.types import Batch

CHUNK = re.compile(r"(\d{12})-(\d{12})\.safetensors")


@dataclass(frozen=True)
class ReplayConfig:
    """How many agent decisions are stored, and where."""

    capacity: int = 500_000
    storage: Literal["host", "device"] = "host"
    """`host`: main memory, pinned if the model is on a GPU. `device`: next to the model."""


def available_memory(device: torch.device) -> int:
    """Return the free bytes on `device`; on the host what the kernel says can be had without swapping."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def columns(spec: EnvSpec) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Return shape and dtype of every stored column, by name."""
    flags = {name: ((), torch.bool) for name in ("is_first", "is_last", "is_terminal")}
    return {
        **{f"obs/{key}": (space.shape, getattr(torch, space.dtype)) for key, space in sorted(spec.obs.items())},
        "action": ((spec.action.size,), torch.float32),
        "reward": ((), torch.float32),
        **flags,
    }


def bytes_per_decision(spec: EnvSpec) -> int:
    """Return the bytes of one column of the ring."""
    return sum(torch.Size(shape).numel() * dtype.itemsize for shape, dtype in columns(spec).values())


class Replay:
    """Implements `Source`. Windows are drawn by `generator`, so a restored generator draws the same ones."""

    def __init__(
        self,
        config: ReplayConfig,
        spec: EnvSpec,
        device: torch.device,
        generator: torch.Generator,
        setting: str = "--replay.capacity",
    ) -> None:
        """`setting` names the option that sets the capacity, for the error on too little memory."""
        self.capacity, self.device, self.generator = config.capacity, device, generator
        self.storage = device if config.storage == "device" else torch.device("cpu")
        needed, free = config.capacity * bytes_per_decision(spec), available_memory(self.storage)
        if needed > 0.9 * free:
            fitting = int(0.9 * free / bytes_per_decision(spec))
            raise UserError(
                f"The replay of {config.capacity:,} decisions needs {needed / 2**30:.2f} GiB and {free / 2**30:.2f} GiB"
                f" are free on {self.storage}: take {setting} {fitting} or less, or smaller images."
            )
        pinned = self.storage.type == "cpu" and device.type == "cuda"
        self.ring = {
            name: torch.empty(config.capacity, *shape, dtype=dtype, device=self.storage, pin_memory=pinned)
            for name, (shape, dtype) in columns(spec).items()
        }
        self.total = 0
        """Columns ever appended; the next one is written at `total % capacity`."""

    def __len__(self) -> int:
        return min(self.total, self.capacity)

    def add(self, stretch: dict[str, Tensor]) -> None:
        """Append columns with leading axis T. The oldest give way."""
        length = next(iter(stretch.values())).shape[0]
        where = torch.arange(self.total, self.total + length, device=self.storage) % self.capacity
        keep = slice(max(0, length - self.capacity), None)
        for name, ring in self.ring.items():
            ring[where[keep]] = stretch[name][keep].to(self.storage)
        self.total += length

    def sample(self, batch: int, length: int) -> Batch:
        """Draw `batch` windows of `length` columns, uniformly over all between the oldest and the newest."""
        if len(self) < length:
            raise UserError(
                f"The replay holds {len(self)} decisions and a sequence has {length}: "
                "take a larger --training.prefill or a smaller --training.length."
            )
        oldest = self.total - len(self)
        start = torch.randint(oldest, self.total - length + 1, (batch, 1), generator=self.generator)
        return self._window(start, length)

    def _window(self, start: Tensor, length: int) -> Batch:
        """Return the columns `start` (B, 1) to `start + length` by their numbers, on the model's device."""
        where = ((start + torch.arange(length)) % self.capacity).to(self.storage)
        window = {name: ring[where] for name, ring in self.ring.items()}
        if self.storage != self.device:
            window = {name: x.to(self.device, non_blocking=True) for name, x in window.items()}
        obs = {name.removeprefix("obs/"): x for name, x in window.items() if name.startswith("obs/")}
        return Batch(obs, **{name: x for name, x in window.items() if not name.startswith("obs/")})

    def sequential(self, length: int, most: int) -> Batch:
        """Return the oldest windows of `length` columns, end to end, `most` at most. Nothing is random."""
        start = self.total - len(self) + length * torch.arange(self._count_windows(length, most))
        return self._window(start[:, None], length)

    def evenly_spaced(self, length: int, most: int) -> Batch:
        """Return windows of `length` columns at even distances from the oldest to the newest, `most` at most."""
        count, oldest = self._count_windows(length, most), self.total - len(self)
        start = torch.linspace(oldest, self.total - length, count, dtype=torch.float64).round().long()
        return self._window(start[:, None], length)

    def _count_windows(self, length: int, most: int) -> int:
        """How many windows fit side by side, `most` at most. UserError if none does."""
        count = min(most, len(self) // length)
        if count == 0:
            raise UserError(f"There are {len(self)} decisions and a sequence has {length}: record more, or shorten it.")
        return count

    def write(self, folder: Path, since: int) -> None:
        """Write the columns from number `since` to the newest as one chunk, atomically."""
        since = max(since, self.total - len(self))
        if since == self.total:
            return
        where = torch.arange(since, self.total, device=self.storage) % self.capacity
        write_chunk(folder, since, {name: ring[where].cpu() for name, ring in self.ring.items()})

    def read(self, folder: Path, total: int, only_read: bool = False) -> None:
        """Fill the ring as it was when `total` columns had been appended.

        Newer chunks are deleted; with `only_read` they stay, and `total` may lie within a chunk.
        """
        oldest = max(0, total - self.capacity)
        self.total = oldest
        for start, end, path in chunks(folder):
            if start >= total:
                if not only_read:
                    path.unlink()
                continue
            if end <= oldest:
                continue
            if start > self.total or (end > total and not only_read):
                break
            stretch = read_chunk(path, list(self.ring))
            self.add({name: x[self.total - start : total - start] for name, x in stretch.items()})
        if self.total != total:
            raise UserError(
                f"The replay in {folder} lacks decisions {self.total} to {total}: restore that chunk from a copy."
            )


def write_chunk(folder: Path, since: int, stretch: dict[str, Tensor]) -> None:
    """Write columns, the first of which has the number `since`, as one chunk, atomically."""
    from safetensors.torch import save

    end = since + len(stretch["reward"])
    content = save(stretch, metadata={"crc32": checksum(stretch)})
    atomic_write(folder / f"{since:012d}-{end:012d}.safetensors", content)


def read_chunk(path: Path, names: list[str]) -> dict[str, Tensor]:
    """Read the columns `names` of a chunk; if these are all, check its checksum. UserError where it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            stretch = {name: file.get_tensor(name) for name in names}
            if len(names) == len(file.keys()) and checksum(stretch) != (file.metadata() or {}).get("crc32"):
                raise ValueError("wrong checksum")
    except Exception as error:
        raise UserError(f"The replay chunk {path} cannot be read ({error}): restore it from a copy.") from error
    return stretch


def chunks(folder: Path) -> list[tuple[int, int, Path]]:
    """List the chunks in `folder` in order: number of the first column, number after the last, file."""
    return sorted(
        (int(match[1]), int(match[2]), path)
        for path in folder.glob("*.safetensors")
        if (match := CHUNK.fullmatch(path.name))
    )


def checksum(stretch: dict[str, Tensor]) -> str:
    """Return the CRC-32 of all columns' bytes, in the order of their names."""
    crc = 0
    for _, x in sorted(stretch.items()):
        crc = zlib.crc32(x.contiguous().flatten().view(torch.uint8).numpy().data, crc)
    return f"{crc:08x}"


def prune(folder: Path, oldest: int) -> None:
    """Delete the chunks whose columns all came before number `oldest`."""
    for _, end, path in chunks(folder):
        if end <= oldest:
            path.unlink()
