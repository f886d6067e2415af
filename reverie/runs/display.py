"""Show the progress of a run: a live table in a terminal or notebook, a plain line now and then elsewhere."""

import re
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from io import TextIOBase
from typing import IO, TYPE_CHECKING, Literal, cast

from reverie.progress import Progress

if TYPE_CHECKING:
    from rich.console import RenderableType

_MOST_IN_A_TABLE, _MOST_IN_A_LINE = 16, 6
_RECENT_RETURNS = 5


def open_display(title: str, show: bool | Literal["auto"]) -> "AbstractContextManager[LiveDisplay | None]":
    """Return a display, or None if `show` is False, or `auto` outside of terminals and notebooks."""
    if show is False or (show == "auto" and not (sys.stdout.isatty() or is_notebook())):
        return nullcontext()
    return LiveDisplay(title)


def is_notebook() -> bool:
    """Return whether this process is a Jupyter kernel."""
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


class LiveDisplay:
    """Show each `Progress` that it is called with. A context manager, which leaves the terminal as it was.

    In a terminal or notebook: a table with a progress bar, redrawn in place. Elsewhere (a pipe, CI): the title, then
    lines: the first progress, one every `seconds_between_lines`, and the last. A new `message` is shown at once, unless
    it differs only behind its first comma or colon. `clock` gives seconds.
    """

    def __init__(
        self,
        title: str,
        stream: TextIOBase | None = None,
        seconds_between_lines: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        from rich.console import Console
        from rich.live import Live

        self._title, self._stream = title, cast(IO[str], stream or sys.stdout)
        self._interval, self._clock = seconds_between_lines, clock
        self._shown: Progress | None = None
        self._latest: Progress | None = None
        self._next_line = -float("inf")
        console = None
        if stream is None and is_notebook():
            console = Console()
        elif self._stream.isatty():  # rich's own guess depends on environment variables even for a pipe
            console = Console(file=self._stream, force_terminal=True)
        self._live = Live(console=console, refresh_per_second=4) if console else None

    def __enter__(self) -> "LiveDisplay":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            self._live.stop()
        elif self._latest is not self._shown:
            self._print(self._latest)

    def __call__(self, progress: Progress) -> None:
        self._latest = progress
        if self._live:
            self._live.update(table(self._title, progress))
        elif self._clock() >= self._next_line or (progress.message and _topic(progress) != _topic(self._shown)):
            self._print(progress)

    def _print(self, progress: Progress | None) -> None:
        if progress:
            if self._shown is None:
                print(self._title, file=self._stream)
            print(line(progress), file=self._stream, flush=True)
            self._shown = progress
            self._next_line = self._clock() + self._interval


def _topic(progress: Progress | None) -> str:
    """Return the message up to its counts; a warning whole."""
    message = (progress.message if progress else None) or ""
    return message if message.startswith("warning") else re.split("[,:]", message)[0]


def line(progress: Progress) -> str:
    """Return the progress on one line of plain text."""
    parts = [
        f"{_percent(progress):.0f} %",
        f"{progress.done} of {progress.total} {progress.unit}",
        f"{progress.updates} updates" if progress.unit == "frames" else "",
        f"{progress.per_second:.1f} {progress.unit}/s",
        f"{duration(progress.seconds_left)} left",
        f"return {progress.returns[-1]:.1f}" if progress.returns else "",
        f"evaluation {progress.evaluation:.1f}" if progress.evaluation is not None else "",
        *map(" ".join, _values(progress, _MOST_IN_A_LINE)),
        progress.message,
    ]
    return ", ".join(part for part in parts if part)


def table(title: str, progress: Progress) -> "RenderableType":
    """Return the progress as a panel for a terminal: a bar, the counts, then returns and losses in two columns."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head = Table.grid(padding=(0, 2), expand=True)
    head.add_column(ratio=1)
    head.add_row(
        ProgressBar(total=1, completed=_share(progress)),
        f"{_percent(progress):.0f} %   {duration(progress.seconds_left)} left",
    )
    counts = [f"{progress.done:,} of {progress.total:,} {progress.unit}"]
    returns = []
    if progress.unit == "frames":
        counts += [f"{progress.decisions:,} decisions", f"{progress.updates:,} updates"]
        recent = "  ".join(f"{value:.1f}" for value in progress.returns[-_RECENT_RETURNS:])
        returns = ["latest returns", recent or "no episode has ended yet"]
        returns += [] if progress.evaluation is None else ["evaluation", f"{progress.evaluation:.1f}"]
    counts += [f"{progress.per_second:.1f} {progress.unit}/s", f"{duration(progress.seconds)} so far"]
    body = Table.grid(padding=(0, 2))
    for style, justify in (("cyan", "left"), ("", "right")) * 2:
        body.add_column(style=style, justify=justify)
    values = _values(progress, _MOST_IN_A_TABLE)
    for left, right in zip(values[::2], [*values[1::2], ("", "")]):
        body.add_row(*left, *right)
    parts = [head, Text("   ".join(counts), style="dim")]
    parts += [Text("   ".join(returns))] if returns else []
    parts += [body, *([Text(progress.message, style="yellow")] if progress.message else [])]
    return Panel(Group(*parts), title=title, title_align="left")


def _values(progress: Progress, most: int) -> list[tuple[str, str]]:
    """Return names and values of at most `most` scalars, losses first."""
    ordered = sorted(progress.values.items(), key=lambda item: not item[0].startswith("loss"))
    return [(name, f"{value:.4g}") for name, value in ordered[:most]]


def _share(progress: Progress) -> float:
    """Return how much of the budget is spent: of time, or of the rest if that is more."""
    return min(1.0, max(progress.time_spent, progress.done / max(1, progress.total)))


def _percent(progress: Progress) -> float:
    return 100 * _share(progress)


def duration(seconds: float | None) -> str:
    """Return `1 h 05 min`, `3 min 20 s` or `12 s`; `?` for None."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
