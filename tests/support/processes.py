"""A process beside the tests', kept for many calls: to start one costs seconds, most of them for imports.

In it no annotation is checked.
"""

import os
import runpy
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from threading import Thread

import pytest


@contextmanager
def one_process(**environment: str) -> Iterator[ProcessPoolExecutor]:
    """Call `submit(function, *arguments).result()`. `environment`: variables that its imports read."""
    with pytest.MonkeyPatch.context() as patch, ProcessPoolExecutor(1, get_context("spawn"), _end_together) as process:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield process


def _end_together() -> None:
    """Let this process end when the tests are killed."""
    parent = parent_process()
    assert parent
    Thread(target=lambda: connection.wait([parent.sentinel]) and os._exit(1), daemon=True).start()


def command(words: list[str], folder: Path) -> tuple[int, str]:
    """Execute `reverie WORDS` in `folder`. Returns the exit code, and what was printed."""
    from reverie.cli.command_line import main

    os.chdir(folder)
    with StringIO() as printed, redirect_stdout(printed), redirect_stderr(printed):
        return main(words), printed.getvalue()


def program(path: Path, words: Sequence[str] = (), folder: Path | None = None) -> str:
    """Execute a Python file with these arguments in `folder`, by default its own. Returns what it printed."""
    os.chdir(folder or path.parent)
    sys.argv = [str(path), *words]
    with StringIO() as printed, redirect_stdout(printed):
        runpy.run_path(str(path), run_name="__main__")
        return printed.getvalue()
