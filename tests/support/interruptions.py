"""Runs that are killed, in this process or in one of their own, and what must be the same as without."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SUPPORT = Path(__file__).parent
ROOT = SUPPORT.parents[1]


def result(folder: Path) -> tuple[list[str], bytes]:
    """Return the lines of the log that must not differ, and the weights of the agent or model."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    weights = next(path for name in ("agent", "model") if (path := folder / f"{name}.safetensors").exists())
    return [line for line in lines if json.loads(line)["kind"] != "timing"], weights.read_bytes()


def assert_same(folder: Path, uninterrupted: Path) -> None:
    lines, agent = result(folder)
    expected_lines, expected_agent = result(uninterrupted)
    assert lines == expected_lines
    assert agent == expected_agent


def content(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def start(command: str, folder: Path, *words: str, **options: Any) -> subprocess.Popen:
    """Start `small_run.py` in a process of its own. A warning is an error there."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(SUPPORT), str(ROOT)]), "PYTHONWARNINGS": "error"}
    arguments = [sys.executable, SUPPORT / "small_run.py", command, folder, *words]
    return subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, text=True, **options)


def wait_for_checkpoint(process: subprocess.Popen, folder: Path, decision: int) -> None:
    while not (folder / "checkpoints" / f"checkpoint-{decision:012d}.pt").exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.002)


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it, and a file that is being written stays unfinished."""


@contextmanager
def kill_at_rename(number: int, after: bool) -> Iterator[None]:
    """Raise `Killed` just before or just after the n-th rename of a file, counted from now."""
    real, count = os.replace, 0

    def replace(source, target):
        nonlocal count
        count += 1
        if count == number and not after:
            os.rename(source, Path(source).with_suffix(".killed.partial"))  # nothing would remove it
            raise Killed
        real(source, target)
        if count == number:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", replace)
        yield
