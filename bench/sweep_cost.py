"""What a sweep costs besides its cells: to make a hundred, to look at them, and to drive them.

    python bench/sweep_cost.py [FOLDER]    # writes bench/results/sweep_cost.json; FOLDER: where the sweep lies

The cells do not train: each has a log of two megabytes, and its process sleeps. Seconds are those of a core, not of the
clock, so a busy machine gives the same.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from statistics import median

import reverie
from reverie.runs.sweeps import child, state
from reverie.runs.sweeps.sweep import commands, sweep

CELLS, AT_ONCE, SLEEP, LINES = 100, 10, 2, 20_000
RESULT = Path(__file__).parent / "results" / "sweep_cost.json"


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as place:
        folder, result = Path(place) / "sweep", {"command": "python bench/sweep_cost.py", "cells": CELLS}
        result["machine"] = {"platform": platform.platform(), "cores": os.cpu_count()}
        methods = reverie.grid(["dreamer_v1"], ["Pendulum-v1"], range(CELLS), size="tiny")
        result["make_core_seconds"] = core_seconds(lambda: commands(folder, methods))
        for cell in state.cells(folder):
            write_log(cell.folder / "metrics.jsonl")
        result["look_core_milliseconds"] = 1000 * median(core_seconds(lambda: state.cells(folder)) for _ in range(9))
        result["status_core_seconds"] = status(folder)
        child.start = sleep
        started = time.monotonic()
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            driven = core_seconds(lambda: sweep(folder, jobs=AT_ONCE, progress=True))
        result["drive_core_seconds_a_minute"] = 60 * driven / (time.monotonic() - started)
        assert all(cell.state == "done" for cell in state.cells(folder))
    rounded = {name: round(value, 3) if isinstance(value, float) else value for name, value in result.items()}
    RESULT.write_text(json.dumps(rounded, indent=1) + "\n")
    print(json.dumps(rounded, indent=1))


def core_seconds(function: Callable[[], object]) -> float:
    """Return the processor time that a call takes in this process."""
    started = time.process_time()
    function()
    return time.process_time() - started


def status(folder: Path) -> float:
    """Return the processor time of `reverie sweep FOLDER --status`, the start of Python included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "reverie", "sweep", folder, "--status"], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_log(path: Path) -> None:
    """Write a log as long as that of a run of hours."""
    line = {"kind": "episode", "frames": 500, "decisions": 250, "updates": 20, "return": 1.0, "decisions_long": 100}
    timing = {"kind": "timing", "frames": 500, "decisions": 250, "updates": 20, "frames_per_second": 1.0}
    path.write_text("".join(json.dumps(entry) + "\n" for entry in (LINES - 1) * [line] + [timing]))


def sleep(folder: Path, *arguments: object) -> subprocess.Popen:
    """Start a process in the place of a cell's, which needs no core and ends like one that is complete."""
    return subprocess.Popen(["sh", "-c", f"sleep {SLEEP}; echo '{{}}' > '{folder}/evaluation.json'"])


if __name__ == "__main__":
    main()
