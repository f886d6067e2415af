"""Run one command of Reverie in a forked process, with limits of time and memory.

Everything is imported already, so a command that is refused takes milliseconds.
"""

import os
import resource
import signal
import sys
import time
import traceback
import warnings
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from reverie.cli.command_line import main

FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""A place for files in memory, if there is one: every checkpoint waits for the disk."""
SECONDS, CPU_SECONDS, BYTES = 300.0, 40, 4 * 2**30
"""Limits: seconds, those of a core on a machine that others use too, and memory beside what the parent has."""


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int | None
    """None after a time-out, negative after another signal."""
    out: str
    err: str
    seconds: float


def run(words: list[str], folder: Path, seconds: float = SECONDS) -> Outcome:
    """Run one command of Reverie in `folder`, in a forked process of its own group."""
    began, streams = time.monotonic(), [folder / ".out", folder / ".err"]
    sys.stdout.flush()
    with warnings.catch_warnings(action="ignore"):  # of threads: there is none that a command needs
        child = os.fork()
    if child == 0:
        code = _run_child(words, folder, streams)
        (folder / ".modules").write_text("\n".join(sys.modules))
        os._exit(code)
    status = None
    while status is None and time.monotonic() - began < seconds:
        pid, ended = os.waitpid(child, os.WNOHANG)
        status = ended if pid else None
        time.sleep(0.0 if pid else 0.005)
    if status is None:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    texts = [stream.read_text(errors="replace") for stream in streams]
    code = None if status is None else os.waitstatus_to_exitcode(status)
    code = None if code in (-signal.SIGXCPU, -signal.SIGKILL) else code
    return Outcome(code, *texts, time.monotonic() - began)


def import_as(folder: Path) -> None:
    """Import here what the command in `folder` has imported, so that no later child needs to: two seconds of each."""
    for name in (folder / ".modules").read_text().splitlines():
        with suppress(Exception):  # some modules exist only in the process that made them
            import_module(name)


def _run_child(words: list[str], folder: Path, streams: list[Path]) -> int:
    os.setsid()
    os.chdir(folder)
    for descriptor, stream in enumerate(streams, start=1):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout, sys.stderr = (os.fdopen(os.dup(number), "w", buffering=1) for number in (1, 2))
    os.environ["MINARI_DATASETS_PATH"] = str(folder / "minari")
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    code = 1
    try:
        code = main(words)
    except BaseException:
        traceback.print_exc()
        code = 70  # whatever an exception's own code is: the user sees a traceback, or nothing
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return code
