"""A sweep's folder, and the state of its cells, which is read from their files alone. Nothing here imports torch.

    FOLDER/
      sweep.json          the cells: method, task and seed of each
      owner.json          the process that runs the sweep now
      cells/NAME/         an ordinary run folder, and besides:
        output.txt        what its process has printed
        failed.json       why it failed, in one sentence

Whatever is killed at any moment, the next look finds the truth.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from reverie.errors import UserError
from reverie.files import living_owner

FORMAT = 1
TAIL = 32_768
"""Bytes at the end of a log that are read for the progress."""
State = Literal["new", "running", "stopped", "done", "failed"]
"""`stopped`: begun, and no process goes on with it now."""
Place = tuple[str, str, int]
"""Method, task and seed."""


@dataclass(frozen=True)
class Cell:
    """One run of a sweep, as its files tell."""

    name: str
    folder: Path
    method: str
    """The recipe, or the name that a caller gave to a config."""
    task: str
    seed: int
    state: State = "new"
    done: int = 0
    """Frames or updates so far, `total` is the budget."""
    total: int = 1
    unit: str = "frames"
    per_second: float | None = None
    """Frames or updates a second, as the log says; None before its first line."""
    score: float | None = None
    """The final evaluation's mean return; before it, that of the latest episode."""
    sentence: str = ""
    """Why it failed."""

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the budget is spent; None before the first line of the log."""
        return max(0, self.total - self.done) / self.per_second if self.per_second else None


def cells(folder: str | Path) -> list[Cell]:
    """Return the cells of a sweep's folder with their state, in the order of the grid. UserError if it is no sweep's.

    It only reads: it can be called while the sweep is running, also on another machine that sees the folder.
    """
    folder = Path(folder)
    return [read_cell(folder, name, place) for name, place in places(read_plan(folder)).items()]


def read_plan(folder: Path) -> dict[str, Any]:
    """Return what `sweep.json` holds. UserError where the folder is not a sweep's."""
    path = folder / "sweep.json"
    try:
        plan = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{folder} is not the folder of a sweep: it has no sweep.json.") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): restore it from a copy.") from None
    if plan["format"] > FORMAT:
        raise UserError(f"{path} was written by a newer version of Reverie: upgrade this one.")
    return plan


def places(plan: dict[str, Any]) -> dict[str, Place]:
    """Return method, task and seed of each cell by its name."""
    return {name: (place["method"], place["task"], place["seed"]) for name, place in plan["cells"].items()}


def read_cell(sweep: Path, name: str, place: Place) -> Cell:
    """Return the present state of one cell."""
    return read_run(sweep / "cells" / name, name, place)


def read_run(folder: Path, name: str, place: Place) -> Cell:
    """Return the present state of any run, by the files that a cell has."""
    config = _read_json(folder / "config.json")
    training = config.get("training", {})
    unit = "frames" if "frames" in training else "updates"
    total, (done, per_second, score) = training.get(unit, 1), read_log(folder / "metrics.jsonl", unit)
    state, sentence = "new", ""
    if is_complete(folder):
        state, done, score = "done", total, _read_json(folder / "evaluation.json").get("mean")
    elif living_owner(folder):
        state = "running"
    elif failed := _read_json(folder / "failed.json"):
        state, sentence = "failed", str(failed.get("sentence", ""))
    elif done > 0 or newest_checkpoint(folder):
        state = "stopped"
    return Cell(name, folder, *place, state, min(done, total), total, unit, per_second, score, sentence)


def is_complete(cell: Path) -> bool:
    """Return whether a cell has trained and been evaluated: its last file is there."""
    return (cell / "evaluation.json").exists()


def newest_checkpoint(folder: Path) -> str:
    """Return the name of the newest checkpoint, empty where there is none."""
    try:
        return max((name for name in os.listdir(folder / "checkpoints") if name.endswith(".pt")), default="")
    except OSError:
        return ""


def seconds_left(cells: Sequence[Cell], at_once: int) -> float | None:
    """Return the seconds until all cells are done, `at_once` at a time; None where no log tells a speed yet.

    A cell without a speed is taken to be as fast as the others of its method.
    """
    speeds: dict[str, list[float]] = {}
    for cell in cells:
        if cell.per_second:
            speeds.setdefault(cell.method, []).append(cell.per_second)
            speeds.setdefault("", []).append(cell.per_second)
    if not speeds or at_once < 1:
        return None
    times = [
        (cell.total - cell.done) / (cell.per_second or fmean(speeds.get(cell.method, speeds[""])))
        for cell in cells
        if cell.state not in ("done", "failed")
    ]
    return max([sum(times) / at_once, *times]) if times else 0.0


def _read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object; an empty one where there is no such file, it cannot be read now, or holds no object."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_log(path: Path, unit: str) -> tuple[int, float | None, float | None]:
    """Return from the end of a log how much is done, the speed, and the latest return."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            texts = file.read(TAIL).split(b"\n")
    except OSError:
        return 0, None, None
    done, speed, score = 0, None, None
    for text in reversed(texts):
        try:
            line = json.loads(text)
            done = max(done, line[unit])
        except (ValueError, LookupError, TypeError):  # the first line may be cut off, and the last one half written
            continue
        if line.get("kind") == "timing" and speed is None:
            speed = line.get(f"{unit}_per_second") or None
        if line.get("kind") in ("episode", "evaluation") and score is None and "return" in line:
            score = float(line["return"])
        if speed is not None and score is not None:
            break
    return done, speed, score
