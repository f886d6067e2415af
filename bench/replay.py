"""What a replay costs that is larger than the memory: 64x64 images, 100 thousand, 1 million and 10 million decisions.

    python bench/replay.py                          # all rows; 14 GB of a disk for the rows with real images
    python bench/replay.py --largest-real 100000    # 2 GB

Each row is a process of its own, which opens a replay, draws batches of 50 x 50 and saves. Chunks have 5,000 decisions
as runs write them. Rows called `sparse` have chunks whose images are holes of the file system, which reads them as
zeros. So 123 GB of images need no disk, and drawing them costs no reading of a disk, only the work of the processor.
Real images are not in the system's cache of files when the draws begin.

The real images of 100,000 decisions are also measured in memory, read from the same chunks.

Resident memory is `RssAnon` of `/proc/self/status`: what the process itself holds. The cache of files is the system's,
which takes it back when memory is short. Batches are drawn within episodes, which needs the table of all episodes.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reverie.data import chunks
from reverie.data.replay import Replay, ReplayConfig
from reverie.spaces import ActionSpace, EnvSpec, Space

RESULT = Path(__file__).resolve().parent / "results" / "replay.json"
SPEC = EnvSpec({"pixels": Space((64, 64, 3), "uint8")}, ActionSpace(6, False), 2)
CHUNK, EPISODE, BATCH, LENGTH = 5_000, 500, 50, 50
SIZES = (100_000, 1_000_000, 10_000_000)


def stretch(number: int) -> chunks.Columns:
    """Return the columns of a chunk but for its images."""
    rng = np.random.default_rng(number)
    first = torch.arange(CHUNK) % EPISODE == 0
    return {
        "action": torch.from_numpy(rng.uniform(-1, 1, (CHUNK, 6)).astype(np.float32)),
        "reward": torch.from_numpy(rng.uniform(0, 1, CHUNK).astype(np.float32)),
        "is_first": first,
        "is_last": first.roll(-1),
        "is_terminal": torch.zeros(CHUNK, dtype=torch.bool),
    }


def make(folder: Path, decisions: int, sparse: bool) -> None:
    """Write the chunks of a replay."""
    first = chunks.path_of(folder, 0, CHUNK)
    for start in range(0, decisions, CHUNK):
        path = chunks.path_of(folder, start, start + CHUNK)
        if sparse and start > 0:
            copy_sparse(first, path)
            continue
        pixels = torch.zeros(CHUNK, 64, 64, 3, dtype=torch.uint8)
        if not sparse:
            pixels = torch.from_numpy(np.random.default_rng(start).integers(0, 256, pixels.shape, np.uint8))
        chunks.write_chunk(folder, start, {"obs/pixels": pixels, **stretch(start)})
        if sparse:
            subprocess.run(["fallocate", "--dig-holes", path], check=True)
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def copy_sparse(source: Path, target: Path) -> None:
    """Copy what a file holds beside its holes."""
    with open(source, "rb") as old, open(target, "wb") as new:
        size, at = os.fstat(old.fileno()).st_size, 0
        new.truncate(size)
        while at < size:
            try:
                at = os.lseek(old.fileno(), at, os.SEEK_DATA)
            except OSError:  # only holes follow
                break
            end = os.lseek(old.fileno(), at, os.SEEK_HOLE)
            new.seek(at)
            new.write(os.pread(old.fileno(), end - at, at))
            at = end


def status(name: str, of: str = "status") -> int:
    """Return a number of `/proc/self`, in bytes."""
    lines = Path(f"/proc/self/{of}").read_text().splitlines()
    value = next(line.partition(":")[2] for line in lines if line.startswith(f"{name}:")).split()
    return int(value[0]) * (1024 if value[1:] == ["kB"] else 1)


def measure(folder: Path, decisions: int, place: str, batches: int) -> dict[str, Any]:
    """Open a replay, draw batches and save, in this process."""
    torch.set_num_threads(1)
    before = status("RssAnon")
    config = ReplayConfig(decisions, place, windows="episodes")
    replay = Replay(config, SPEC, torch.device("cpu"), torch.Generator().manual_seed(0))
    began, read = time.process_time(), status("rchar", "io")
    replay.read(folder, decisions)
    opened = {"cpu_seconds": time.process_time() - began, "bytes_read": status("rchar", "io") - read}
    replay.sample(BATCH, LENGTH)
    cpu, wall = [], []
    for _ in range(batches):
        began, at = time.process_time(), time.monotonic()
        replay.sample(BATCH, LENGTH)
        cpu.append(time.process_time() - began)
        wall.append(time.monotonic() - at)
    drawn = status("RssAnon")
    images = torch.zeros(EPISODE, 64, 64, 3, dtype=torch.uint8)
    for begin in range(0, CHUNK, EPISODE):
        columns = {name: x[begin : begin + EPISODE] for name, x in stretch(decisions).items()}
        replay.add({"obs/pixels": images.clone(), **columns})
    collected, began = status("RssAnon"), time.process_time()
    Path("/proc/self/clear_refs").write_text("5")  # so that the peak is that of the save
    replay.write(folder, decisions)
    saved = {"cpu_seconds": time.process_time() - began, "bytes": 0, "peak_bytes": status("VmHWM") - status("RssFile")}
    path = chunks.path_of(folder, decisions, decisions + CHUNK)
    saved["bytes"] = path.stat().st_size
    path.unlink()
    return {
        "decisions": decisions,
        "storage": place,
        "stored_bytes": decisions * chunks.bytes_per_decision(SPEC),
        "cpu_seconds_a_batch": float(np.median(cpu)),
        "wall_seconds_a_batch": float(np.median(wall)),
        "open": opened,
        "resident_bytes": {"before": before, "drawing": drawn, "collecting": collected, "saved": status("RssAnon")},
        "save": saved,
    }


def rows_of(decisions: int, places: list[str], sparse: bool, batches: int, parent: Path) -> list[dict[str, Any]]:
    """Make a replay, and measure each storage of it in a process of its own."""
    rows = []
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        make(Path(folder), decisions, sparse)
        for place in places:
            words = ["--measure", folder, "--decisions", str(decisions), "--storage", place, "--batches", str(batches)]
            done = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=True)
            rows.append({"images": "sparse" if sparse else "real", **json.loads(done.stdout)})
            print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest-real", type=int, default=1_000_000, help="decisions, at most, with real images")
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--place", type=Path, default=None, help="the folder for the chunks")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--decisions", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--storage", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measure(asked.measure, asked.decisions, asked.storage, asked.batches)))
        return
    rows = []
    for sparse in (False, True):
        for decisions in SIZES:
            if sparse or decisions <= asked.largest_real:
                places = ["disk", "memory"] if not sparse and decisions == SIZES[0] else ["disk"]
                rows += rows_of(decisions, places, sparse, asked.batches, asked.place)
    machine = {"platform": platform.platform(), "cores": os.cpu_count(), "torch": torch.__version__}
    command = " ".join(["python bench/replay.py", *sys.argv[1:]])
    RESULT.write_text(json.dumps({"command": command, "machine": machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
