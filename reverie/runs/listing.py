"""List the runs below a folder by their files alone. Nothing is written, and nothing here imports torch or NumPy.

Runs may be living. A damaged run is one line that says why, because one bad folder must not hide the others.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reverie.errors import UserError
from reverie.runs.sweeps import state

_MARKS = ("config.json", "metrics.jsonl", "agent.safetensors", "model.safetensors", "checkpoints")
"""What makes a folder that of a run; all but the first are of one that has lost its config."""
_WORLDS = ("id", "folder", "run", "file")
"""Settings that name recorded data."""
_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
_HEAD = ("state", "recipe", "environment", "seed", "done", "return", "hours", "run")


@dataclass(frozen=True)
class Listed:
    """One run, as its files tell."""

    folder: Path
    state: state.State | Literal["damaged"]
    sentence: str = ""
    """Why it is damaged, or has failed."""
    recipe: str = ""
    world: str = ""
    """The environment, or the recorded data."""
    seed: int = 0
    done: int = 0
    """Frames or updates so far, `total` is the budget."""
    total: int = 0
    unit: str = "frames"
    score: float | None = None
    """The final evaluation's mean return; before it, that of the latest episode."""
    hours: float | None = None
    """Hours of training in all processes of the run; None before the first line of the log."""


def list_runs(folder: str | Path = "runs") -> list[Listed]:
    """Return all runs in or below a folder, cells of sweeps too, in the order of their paths.

    UserError where there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}: name one with runs, such as `reverie runs runs`.")
    return list(_find(folder))


def table(runs: Sequence[Listed]) -> str:
    """Return the runs as aligned lines of plain text. Sentences stand at the end of their lines."""
    rows = [_HEAD, *map(_row, runs)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    sentences = ["", *(run.sentence for run in runs)]
    return "\n".join(
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths)), sentence]).rstrip()
        for row, sentence in zip(rows, sentences)
    )


def _row(run: Listed) -> tuple[str, ...]:
    if run.state == "damaged":
        return run.state, "", "", "", "", "", "", str(run.folder)
    done = f"{run.done:,} of {run.total:,} {run.unit}"
    score, hours = ("" if x is None else f"{x:.{digits}f}" for x, digits in ((run.score, 1), (run.hours, 2)))
    return run.state, run.recipe, run.world, str(run.seed), done, score, hours, str(run.folder)


def _find(folder: Path) -> Iterator[Listed]:
    """Yield the runs in or below a folder. Links are not followed, because they may lead in a circle."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Listed(folder, "damaged", f"It cannot be read ({error.strerror}).")
        return
    if not {entry.name for entry in entries}.isdisjoint(_MARKS):
        yield _read(folder)
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            yield from _find(Path(entry.path))


def _read(folder: Path) -> Listed:
    try:
        config = json.loads((folder / "config.json").read_text())
        recipe, world, seed = config["recipe"], _world(config), config["seed"]
        unit = "frames" if "frames" in config["training"] else "updates"
        total = config["training"][unit]
        if not isinstance(recipe, str) or type(seed) is not int or type(total) is not int:
            raise TypeError("a setting has another type")
        cell = state.read_run(folder, folder.name, (recipe, world, seed))
        done, _, _ = state.read_log(folder / "metrics.jsonl", unit)
        hours = _hours(folder / "metrics.jsonl")
    except FileNotFoundError:
        return Listed(folder, "damaged", "It has no config.json: restore it from a copy.")
    except _DAMAGE as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        return Listed(folder, "damaged", f"config.json is no run's ({reason}): restore it from a copy.")
    return Listed(folder, cell.state, cell.sentence, recipe, world, seed, done, total, unit, cell.score, hours)


def _world(config: dict[str, Any]) -> str:
    """Return the name of the environment, or of the recorded data. Any error means that the config is damaged."""
    data = config if "env" in config else config["data"]
    if isinstance(data.get("env"), dict):
        name = data["env"]["id"]
    else:
        named = [Path(data[key]).name for key in _WORLDS if data.get(key)]
        name = [*named, data["type"].removesuffix("Config").lower()][0]
    if not isinstance(name, str):
        raise TypeError("a name is not a text")
    return name


def _hours(log: Path) -> float | None:
    """Return the hours in the `timing` lines, which count from the start of each process that went on with the run."""
    total, before = 0.0, 0.0
    try:
        with open(log, "rb") as lines:
            for text in lines:
                if b'"timing"' not in text:
                    continue
                try:
                    seconds = float(json.loads(text)["seconds"])
                except _DAMAGE:  # a line that is cut, or being written
                    continue
                total += seconds - before if seconds >= before else seconds
                before = seconds
    except FileNotFoundError:
        return None
    return total / 3600 if total else None
