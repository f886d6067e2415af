"""Show the cells of a sweep: a live table in a terminal or notebook, lines elsewhere, a whole table on request."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from reverie.runs.display import duration, is_notebook
from reverie.runs.sweeps.state import Cell, State, seconds_left

if TYPE_CHECKING:
    from rich.console import RenderableType

Look = Callable[[], Sequence[Cell]]
Shown = Callable[[Look, bool], None]
"""Show what a look finds, at once or when it is due."""
BETWEEN_LOOKS, BETWEEN_LINES = 1.0, 30.0
"""Seconds between two readings of all cells, and between two lines where there is no terminal."""
SHARE = 10
"""A look that takes long, as on a slow network, is taken once in so many times its own duration."""
ROWS = 24
"""Cells that a live table shows at most."""
STYLES: dict[State, str] = {"running": "cyan", "done": "green", "failed": "red", "stopped": "yellow", "new": "dim"}


@contextmanager
def open_board(title: str, show: bool | Literal["auto"]) -> Iterator[Shown]:
    """Yield a function that shows what a look finds, now and then. It takes no look where nothing is shown."""
    live_display = sys.stdout.isatty() or is_notebook()
    if show is False or (show == "auto" and not live_display):
        yield lambda look, at_once: None
        return
    if not live_display:
        print(title, flush=True)
        yield _Paced(_Lines().show)
        return
    from rich.live import Live

    with Live(refresh_per_second=4) as live:
        yield _Paced(lambda cells: live.update(panel(title, cells)))


class _Paced:
    """Take a look and show it, but not again too soon, unless it is wanted at once."""

    def __init__(self, show: Callable[[Sequence[Cell]], None]) -> None:
        self.show, self.next = show, 0.0

    def __call__(self, look: Look, at_once: bool) -> None:
        started = time.monotonic()
        if at_once or started >= self.next:
            self.show(look())
            self.next = time.monotonic() + max(BETWEEN_LOOKS, SHARE * (time.monotonic() - started))


class _Lines:
    """A line for each cell that is done or has failed, and one for the whole now and then."""

    def __init__(self) -> None:
        self.before: dict[str, State] = {}
        self.next_line = 0.0

    def show(self, cells: Sequence[Cell]) -> None:
        states = {cell.name: cell.state for cell in cells}
        for cell in cells if self.before else ():
            if cell.state in ("done", "failed") and cell.state != self.before[cell.name]:
                print(line(cell), flush=True)
        if time.monotonic() >= self.next_line:
            print(summary(cells), flush=True)
            self.next_line = time.monotonic() + BETWEEN_LINES
        self.before = states


def line(cell: Cell) -> str:
    """Return one cell on one line of plain text."""
    share = f"{100 * cell.done / cell.total:.0f} %"
    parts = [f"{cell.state:<7}", f"{share:>5}", cell.name]
    parts += [f"{cell.done:,} of {cell.total:,} {cell.unit}"] if cell.state in ("running", "stopped") else []
    parts += [f"return {cell.score:.1f}"] if cell.score is not None else []
    if cell.state == "running":
        parts += ["evaluating" if cell.done >= cell.total else f"{duration(cell.seconds_left)} left"]
    return "  ".join([*parts, *filter(None, [cell.sentence])])


def summary(cells: Sequence[Cell]) -> str:
    """Return the whole on one line: the share that is done, how many cells are in each state, and the time left."""
    return ", ".join([f"{100 * share(cells):.0f} %", counts(cells), *filter(None, [left(cells)])])


def counts(cells: Sequence[Cell]) -> str:
    """Return how many cells are in each state."""
    states = Counter(cell.state for cell in cells)
    ordered = [state for state in STYLES if states[state]]
    return ", ".join(f"{states[state]} {state}" for state in ordered) + f" of {len(cells)} cells"


def share(cells: Sequence[Cell]) -> float:
    """Return the share of the whole budget that is done. Each cell counts the same."""
    return sum(cell.done / cell.total for cell in cells) / max(1, len(cells))


def left(cells: Sequence[Cell]) -> str:
    """Return the time left for the whole, empty where nothing runs."""
    running = sum(cell.state == "running" for cell in cells)
    return f"{duration(seconds_left(cells, running))} left" if running else ""


def panel(title: str, cells: Sequence[Cell]) -> "RenderableType":
    """Return the whole as a panel for a terminal: a bar, then the cells that run, have failed, or come next."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head = Table.grid(padding=(0, 2), expand=True)
    head.add_column(ratio=1)
    head.add_row(ProgressBar(total=1, completed=share(cells)), f"{100 * share(cells):.0f} %   {left(cells)}")
    order = {state: number for number, state in enumerate(("running", "failed", "stopped", "new", "done"))}
    shown = sorted(cells, key=lambda cell: order[cell.state])[:ROWS]
    body = Table.grid(padding=(0, 2))
    for cell in shown:
        body.add_row(Text(line(cell), STYLES[cell.state], no_wrap=True, overflow="ellipsis"))
    rest = len(cells) - len(shown)
    more = [Text(f"and {rest} more", style="dim")] if rest else []
    return Panel(Group(head, Text(counts(cells), style="dim"), body, *more), title=title, title_align="left")
