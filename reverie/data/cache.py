"""Recordings in the normal form, prepared once and used by many runs. They lie in the user's cache folder.

recordings/DIGEST/train/ test/     chunks as the replay writes them, of whole episodes
"""

import json
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from reverie.data.base import OnMessage
from reverie.data.chunks import Columns, chunks, prune, write_chunk
from reverie.data.recording import CHUNK
from reverie.data.validation import held_out
from reverie.errors import UserError
from reverie.files import InUse, Lease, cache_folder, remove_partial

FORMAT = 1
"""To be raised when the same recordings become other columns."""


def folder_of(identity: object) -> Path:
    """Return the folder of what `identity` describes: plain data that name the files read and the settings used."""
    text = json.dumps([FORMAT, identity], sort_keys=True)
    return cache_folder() / "recordings" / sha256(text.encode()).hexdigest()[:24]


def stamp(file: Path) -> tuple[int, int]:
    """Return size and time of modification of a file, which differ if its content does."""
    found = file.stat()
    return found.st_size, found.st_mtime_ns


def prepare(
    folder: Path, lengths: list[int], share: float, read: Callable[[int], Columns], report: OnMessage
) -> dict[str, int]:
    """Read and write the episodes that `folder` lacks. Return the number of columns of each part.

    Part and place of an episode follow from its number and the `lengths`. So an interrupted preparation goes on after
    the last chunk. `share` is held out.
    """
    totals, places = {"train": 0, "test": 0}, []
    for number, length in enumerate(lengths):
        part = "test" if held_out(number, share) else "train"
        places.append((part, totals[part]))
        totals[part] += length
    while _written(folder) != totals:
        try:
            lease = Lease(folder)
        except InUse:
            report(f"waiting for another process that prepares the same recordings in {folder}")
            time.sleep(1)
            continue
        try:
            _prepare(folder, places, totals, read, report)
        finally:
            lease.release()
    return totals


def _written(folder: Path) -> dict[str, int]:
    """Return how many columns of each part lie in the folder without a gap."""
    written = {}
    for part in ("train", "test"):
        end = 0
        for start, until, _ in chunks(folder / part):
            end = until if start == end else end
        written[part] = end
    return written


def _prepare(
    folder: Path,
    places: list[tuple[str, int]],
    totals: dict[str, int],
    read: Callable[[int], Columns],
    report: OnMessage,
) -> None:
    """Write the missing episodes. `places` has the part of each and the number of its first column there."""
    remove_partial(folder)
    written = _written(folder)
    waiting: dict[str, list[Columns]] = {name: [] for name in totals}
    for name, end in written.items():
        prune(folder / name, since=end)
    for number, (part, first) in enumerate(places):
        if first >= written[part]:
            report(f"preparing episode {number + 1} of {len(places)}, once for all runs")
            waiting[part].append(read(number))
        if number + 1 == len(places) or sum(len(each["reward"]) for kept in waiting.values() for each in kept) >= CHUNK:
            for name, stretches in waiting.items():
                if stretches:
                    write_chunk(folder / name, written[name], *stretches)
                    written[name] += sum(len(each["reward"]) for each in stretches)
                    stretches.clear()
    if written != totals:
        raise UserError(f"The prepared recordings in {folder} are damaged: delete that folder.")
