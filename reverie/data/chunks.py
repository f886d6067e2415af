"""Chunk files: consecutive columns of a replay as safetensors, one file between two saves.

A file is named by the numbers of its columns: `000000000000-000000005000.safetensors`. Its metadata hold a checksum of
everything, for who reads it whole. The tensor `crc32` has one of each column, for who reads some: a flipped bit is
found wherever a frame is used. Chunks of earlier versions lack it, so they are read whole when they are opened.
"""

import json
import math
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from reverie.errors import UserError
from reverie.files import atomic_file
from reverie.spaces import EnvSpec
from reverie.tree import checksum

Columns = dict[str, Tensor]
"""Consecutive columns by the names of `layout`, with leading axis T."""
Layout = dict[str, tuple[tuple[int, ...], torch.dtype]]
"""The shape and dtype of a column by name."""
CHECKSUMS = "crc32"
"""The tensor with a checksum of each column, and the key of the metadata with one of the whole."""
DTYPES = {"F64": torch.float64, "F32": torch.float32, "I32": torch.int32, "U8": torch.uint8, "BOOL": torch.bool}
"""Types of numbers as safetensors calls them."""
SMALL = 1024
"""Bytes of a part of a column that are joined with others before their checksum is taken."""
PIECE = 2**24
"""Bytes that are written at once, so as much is copied from another device."""


def layout(spec: EnvSpec) -> Layout:
    """Return the shape and dtype of each stored column by name."""
    return {
        **{f"obs/{key}": (space.shape, getattr(torch, space.dtype)) for key, space in sorted(spec.obs.items())},
        "action": ((spec.action.size,), torch.float32),
        "reward": ((), torch.float32),
        **dict.fromkeys(("is_first", "is_last", "is_terminal"), ((), torch.bool)),
    }


def bytes_per_decision(spec: EnvSpec) -> int:
    return sum(math.prod(shape) * dtype.itemsize for shape, dtype in layout(spec).values())


def chunks(folder: Path) -> list[tuple[int, int, Path]]:
    """List the chunks in `folder` in order: number of the first column, number after the last, file."""
    names = ((re.fullmatch(r"(\d{12})-(\d{12})\.safetensors", path.name), path) for path in folder.glob("*"))
    return sorted((int(match[1]), int(match[2]), path) for match, path in names if match)


def path_of(folder: Path, start: int, end: int) -> Path:
    return folder / f"{start:012d}-{end:012d}.safetensors"


def prune(folder: Path, before: int = 0, since: float = math.inf) -> None:
    """Delete the chunks whose columns all lie before number `before`, or all at number `since` or later."""
    for start, end, path in chunks(folder):
        if end <= before or start >= since:
            path.unlink()


def write_chunk(folder: Path, since: int, *stretches: Columns) -> None:
    """Write columns as one chunk, atomically. `since` is the number of the first column.

    Stretches follow each other. They are written from where they lie, without a second copy in memory.
    """
    sums = [{CHECKSUMS: torch.from_numpy(checksums(piece))} for each in stretches for piece in _pieces(each)]
    whole, size, length = 0, 0, sum(len(each[CHECKSUMS]) for each in sums)
    for name in sorted(stretches[0]):
        for content in _bytes(name, stretches):
            whole = zlib.crc32(content, whole)
    parts: dict[str, Sequence[Columns]] = {**dict.fromkeys(stretches[0], stretches), CHECKSUMS: sums}
    order = sorted(parts, key=lambda name: (-parts[name][0][name].element_size(), name))  # each begins aligned
    kinds = {dtype: kind for kind, dtype in DTYPES.items()}
    header: dict[str, object] = {"__metadata__": {CHECKSUMS: f"{whole:08x}"}}
    for name in order:
        x, begin = parts[name][0][name], size
        size += length * math.prod(x.shape[1:]) * x.element_size()
        header[name] = {"dtype": kinds[x.dtype], "shape": [length, *x.shape[1:]], "data_offsets": [begin, size]}
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with atomic_file(path_of(folder, since, since + length), 8 + len(head) + size) as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for name in order:
            for content in _bytes(name, parts[name]):
                file.write(content)


def read_chunk(path: Path, names: list[str]) -> Columns:
    """Read the columns `names` of a chunk. UserError if it is damaged: the checksum needs all of its columns."""
    try:
        with safe_open(path, framework="pt") as file:
            stretch = {name: file.get_tensor(name) for name in names}
            whole = {*file.keys()} - {CHECKSUMS} == {*names}
            if whole and checksum(stretch) != (file.metadata() or {}).get(CHECKSUMS):
                raise ValueError("wrong checksum")
        if len({len(column) for column in stretch.values()}) != 1:
            raise ValueError("columns of different lengths")
    except Exception as error:
        raise _damaged(path, error) from error
    return stretch


def check_form(path: Path, stored: Layout, wanted: Layout) -> None:
    """Raise UserError where the columns of a chunk have other shapes or types of numbers."""
    for name, (shape, dtype) in wanted.items():
        has = stored[name]
        if has != (shape, dtype):
            raise UserError(
                f"{path} holds {name} as {has[1]} {has[0]}, which should be {dtype} {shape}: restore it from a copy."
            )


class Chunk:
    """A chunk whose columns stay in the file: `read` reads some of them."""

    __slots__ = ("offsets", "path", "start", "sums")

    def __init__(self, folder: Path, start: int, end: int, wanted: Layout) -> None:
        """Read the head of the file. UserError if it is damaged, cut, or holds other columns than `wanted`."""
        self.start, self.path = start, str(path_of(folder, start, end))
        path = Path(self.path)
        try:
            with open(path, "rb") as file:
                length = int.from_bytes(file.read(8), "little")
                if length > os.fstat(file.fileno()).st_size:
                    raise ValueError("its head is longer than the file")
                head = json.loads(file.read(length))
                size = os.fstat(file.fileno()).st_size - 8 - length
            head.pop("__metadata__", None)
            stored: Layout = {name: (tuple(x["shape"]), DTYPES[x["dtype"]]) for name, x in head.items()}
            offsets = {name: x["data_offsets"] for name, x in head.items()}
            if missing := wanted.keys() - stored:
                raise ValueError(f"it has no {min(missing)}")
            if {shape[0] for shape, _ in stored.values()} != {end - start}:
                raise ValueError("columns of different lengths")
            if max(after for _, after in offsets.values()) != size:
                raise ValueError("it is cut")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise _damaged(path, error) from error
        own = wanted | ({CHECKSUMS: ((), torch.int32)} if CHECKSUMS in stored else {})
        check_form(path, {name: (shape[1:], dtype) for name, (shape, dtype) in stored.items()}, own)
        self.offsets = {name: 8 + length + offsets[name][0] for name in own}
        self.sums = None if CHECKSUMS in stored else checksums(read_chunk(path, list(wanted)))
        """The checksums of a chunk of an earlier version."""

    def read(self, number: int, into: Columns) -> None:
        """Fill tensors with columns of the file, from `number` on. UserError if they are damaged or gone.

        The checksums are compared if `into` has all parts of a column.
        """
        at, length = number - self.start, len(next(iter(into.values())))
        sums = {CHECKSUMS: torch.empty(length, dtype=torch.int32)}
        whole = len(into) == len(self.offsets.keys() - sums)
        try:
            with open(self.path, "rb", buffering=0) as file:
                for name, x in (into | (sums if whole and self.sums is None else {})).items():
                    file.seek(self.offsets[name] + at * x[:1].nbytes)
                    if file.readinto(_flat(x)) != x.nbytes:
                        raise ValueError("it is cut")
            right = sums[CHECKSUMS].numpy() if self.sums is None else self.sums[at : at + length]
            if whole and (wrong := checksums(into) != right).any():
                raise ValueError(f"wrong checksum of decision {number + int(wrong.argmax())}")
        except (OSError, ValueError) as error:
            raise _damaged(Path(self.path), error) from error


def checksums(columns: Columns) -> np.ndarray:
    """Return the CRC-32 of each column (T,), over its parts from the smallest to the largest, then by name."""
    parts = [x.numpy().reshape(len(x), -1).view(np.uint8) for _, x in sorted(columns.items())]
    parts.sort(key=lambda part: part.shape[1])
    small = sum(part.shape[1] <= SMALL for part in parts)
    sums = [zlib.crc32(row.data) for row in np.concatenate(parts[:small], 1)]
    for part in parts[small:]:
        sums = [zlib.crc32(row.data, before) for row, before in zip(part, sums)]
    return np.array(sums, np.uint32).view(np.int32)


def _flat(x: Tensor) -> memoryview:
    """Return the bytes of a contiguous tensor of the host, without a copy."""
    return x.numpy().reshape(-1).view(np.uint8).data


def _pieces(stretch: Columns) -> Iterator[Columns]:
    """Yield columns piece by piece: where they lie if that is the host, and copied from another device."""
    columns = len(next(iter(stretch.values())))
    length = max(1, PIECE * columns // max(1, sum(x.nbytes for x in stretch.values())))
    for begin in range(0, columns, length):
        yield {name: x[begin : begin + length].cpu().contiguous() for name, x in stretch.items()}


def _bytes(name: str, stretches: Sequence[Columns]) -> Iterator[memoryview]:
    """Yield the bytes of one column's stretches."""
    for stretch in stretches:
        for piece in _pieces({name: stretch[name]}):
            yield _flat(piece[name])


def _damaged(path: Path, error: Exception) -> UserError:
    reason = "it is missing" if isinstance(error, FileNotFoundError) else str(error)
    return UserError(f"The replay chunk {path} cannot be read ({reason}): restore it from a copy.")
