"""The process of one cell: start or resume its run, evaluate it, and end with an exit code that says what happened.

    python -m reverie.runs.sweeps.child FOLDER PARENT [MODULE ...]

Both executors start this, so a cell computes the same anywhere. The exit code is 0 if the run is complete, 2 for a
mistake of the user, 130 if it was saved and stopped, and anything else for a crash.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from reverie.config import plugins
from reverie.errors import UserError
from reverie.files import InUse, Lease

SAVED = 130
"""The exit code of a run that was saved and stopped, or interrupted while it was evaluated."""
BUSY = 2.0
"""Seconds until a cell that another process owns is tried again: it saves, or its host is lost."""
PARENT_DEATH_SIGNAL = 1
"""`PR_SET_PDEATHSIG` of Linux."""
ROOT = Path(__file__).parents[3]
"""Where the package lies: a child must import the same one."""


def start(folder: Path, modules: Sequence[str], threads: int, environment: Mapping[str, str]) -> subprocess.Popen:
    """Start the process of a cell, with its output in the folder and more variables of the environment.

    Its session is its own: Ctrl-C in a terminal reaches the parent alone, which asks every child once.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    # Libraries that read this size their pools by it. PyTorch gets the same number from the run's config.
    shares = {"OMP_NUM_THREADS": str(threads)} if threads else {}
    more = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"} | shares | dict(environment)
    command = [sys.executable, "-m", __name__, str(folder), str(os.getpid()), *modules]
    with open(folder / "output.txt", "ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env=os.environ | more, start_new_session=True,
        )  # fmt: skip


def last_words(folder: Path, code: int) -> str:
    """Return the sentence that says why a cell's process has ended."""
    if code < 0:
        return f"It was killed by {signal.Signals(-code).name}{', often for want of memory' if code == -9 else ''}."
    with suppress(OSError):
        lines = [line.strip() for line in (folder / "output.txt").read_text(errors="replace").splitlines()]
        said = [line for line in lines if line]
        if said:
            return said[-1].removeprefix("reverie: ")
    return f"It ended with exit code {code} and said nothing."


def main(folder: Path, parent: int, modules: Sequence[str]) -> int:
    _end_with(parent)
    print(f"-- process {os.getpid()} on {socket.gethostname()}, {time.strftime('%Y-%m-%d %H:%M:%S')}")
    try:
        for module in modules:
            plugins.use(module)
        while not (folder / "evaluation.json").exists():
            try:
                _work(folder)
            except InUse:
                time.sleep(BUSY)
    except UserError as error:
        print(f"reverie: {error}")
        return error.code
    except KeyboardInterrupt:
        print("reverie: Interrupted.")
        return SAVED
    return 0


def _work(folder: Path) -> None:
    """Train until the budget is spent, then evaluate as the folder's owner."""
    from reverie.runs.loop import resume
    from reverie.runs.results import summarize

    resume(folder, progress=True, evaluate=False)
    lease = Lease(folder)
    try:
        print("\n".join(summarize(folder).sentences))
    finally:
        lease.release()


def _end_with(parent: int) -> None:
    """Let every request to stop arrive, and let the kernel ask for it when the parent dies.

    A cluster's worker starts its children with Ctrl-C blocked. Without the second, a killed parent would leave
    children behind, which hold their folders.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGTERM, _interrupt)  # until training catches it, and after
    with suppress(OSError, AttributeError):  # only Linux has it
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(SAVED)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
