"""Write and read the log of a run: `metrics.jsonl` for programs, and trackers such as TensorBoard for people.

A line of `metrics.jsonl` is one JSON object:

    {"kind": "train", "frames": 2000, "decisions": 1000, "updates": 100, "loss": 3.1}

Lines of kind `timing` hold everything that depends on the machine's speed. The other lines depend on config and seed
alone: they are the same, bit for bit, whether a run was interrupted or not.
"""

import errno
import json
import math
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np

from reverie.errors import UserError
from reverie.runs.trackers import LogConfig, TensorBoardConfig
from reverie.runs.trackers.base import Shown, checked_disk
from reverie.runs.trackers.following import Trackers

Kind = Literal["train", "episode", "evaluation", "timing", "alarm"]
Axis = Literal["frames", "updates"]
Moment = Mapping[Literal["frames", "decisions", "updates"], int]
"""When in training: environment frames, decisions and updates so far."""
_AXES = ("kind", "frames", "decisions", "updates")


class Logger(ExitStack):
    """Append to the log of the run in `folder`, and show it by the trackers. It is a context manager.

    `axis` is the horizontal axis of trackers. `resume_at` is the `position()` in a checkpoint: lines after it are cut
    off. Trackers may hide what was logged from `purge_step` of the axis on. `config` is what they show as settings.
    Every method that writes raises `UserError` if the disk is full.
    """

    def __init__(
        self,
        folder: Path,
        axis: Axis = "frames",
        resume_at: int | None = None,
        purge_step: int | None = None,
        trackers: Mapping[str, LogConfig] | None = None,
        config: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        self._folder, self._path, self._axis = Path(folder), Path(folder) / "metrics.jsonl", axis
        with checked_disk(self._folder):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered, so that closing the file does not repeat a write that failed.
            self._lines = self.enter_context(self._path.open("ab", buffering=0))
            size = self._path.stat().st_size
            lines = self._whole_lines() if size else ()
            ended = max((line[axis] for line in lines), default=-1)
            if resume_at is not None and resume_at > size:
                warnings.warn(f"{self._path} lacks lines from before the checkpoint: curves lack them.", stacklevel=2)
            elif resume_at is not None and resume_at < size:
                self._lines.truncate(resume_at)
        shown = Shown(self._folder, config or {}, "", purge_step)
        chosen = {"tensorboard": TensorBoardConfig()} if trackers is None else trackers
        with ExitStack() as failed:
            failed.callback(self.close)
            self._trackers = Trackers(chosen, shown, ended, self._scalars() if size else ())
            self.callback(self._trackers.close)
            failed.pop_all()

    def write(
        self, kind: Kind, moment: Moment, values: dict[str, float], timing: dict[str, float] | None = None
    ) -> None:
        """Log scalars; `timing` (frames per second, seconds) becomes a line of kind `timing` after the first."""
        for line_kind, line_values in ((kind, values), ("timing", timing)):
            if not line_values:
                continue
            if taken := set(_AXES) & set(line_values):
                raise ValueError(f"{sorted(taken)} name the moment of training and cannot be values")
            numbers = {name: float(value) for name, value in line_values.items()}
            # JSON has no NaN and no infinity: they become the strings that `float` reads back.
            self._append(line_kind, moment, {name: x if math.isfinite(x) else str(x) for name, x in numbers.items()})
            step, scalars = moment[self._axis], {f"{line_kind}/{name}": x for name, x in numbers.items()}
            self._trackers.each(step, lambda tracker: tracker.scalars(step, scalars))  # noqa: B023

    def alarm(self, moment: Moment, name: str, text: str) -> None:
        """Log a warning: a `name` for programs and a sentence for people."""
        self._append("alarm", moment, {"name": name, "text": text})

    def image(self, name: str, image: np.ndarray, step: int) -> None:
        """Show a picture in the trackers. `image`: (H, W, channels) uint8."""
        self._trackers.each(step, lambda tracker: tracker.image(name, image, step))

    def video(self, name: str, frames: np.ndarray, step: int, fps: float) -> None:
        """Show a film in the trackers. `frames`: (T, H, W, channels) uint8."""
        self._trackers.each(step, lambda tracker: tracker.video(name, frames, step, fps))

    def position(self) -> int:
        """Return the size of `metrics.jsonl` in bytes, all of them safely on the disk."""
        with checked_disk(self._folder):
            os.fsync(self._lines.fileno())
        return self._path.stat().st_size

    def _append(self, kind: str, moment: Moment, values: dict[str, Any]) -> None:
        text = (json.dumps({"kind": kind, **moment, **values}, allow_nan=False) + "\n").encode()
        with checked_disk(self._folder):
            if self._lines.write(text) != len(text):
                raise OSError(errno.ENOSPC, "only a part of the line could be written")

    def _whole_lines(self) -> Iterator[dict[str, Any]]:
        """Yield the lines that are there. A damaged one is left out: a tracker may lack what no reader can read."""
        with open(self._path, "rb") as lines:
            for text in lines:
                try:
                    yield _read_line(text)
                except _DAMAGE:
                    continue

    def _scalars(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield step and numbers of each line that is there."""
        for line in self._whole_lines():
            if line["kind"] != "alarm":
                yield line[self._axis], {f"{line['kind']}/{name}": x for name, x in line.items() if name not in _AXES}


def read_metrics(folder: Path, kind: Kind | None = None) -> list[dict[str, Any]]:
    """Return the lines of `folder/metrics.jsonl` (of one kind) in order, with NaN and infinities restored.

    A last line that is still being written is left out. UserError if the file does not exist or another line of it is
    not JSON.
    """
    path = Path(folder) / "metrics.jsonl"
    if not path.is_file():
        raise UserError(f"There is no {path}; give the folder of a run that `reverie train` has started.")
    try:
        whole, _, _ = path.read_text().rpartition("\n")
    except (OSError, UnicodeError) as error:
        raise UserError(f"{path} cannot be read ({error}): restore it from a copy, or delete it.") from error
    lines = []
    for number, text in enumerate(whole.split("\n") if whole else (), start=1):
        try:
            line = _read_line(text)
        except _DAMAGE:
            raise UserError(f"Line {number} of {path} is damaged; delete that line.") from None
        if kind in (None, line["kind"]):
            lines.append(line)
    return lines


_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)


def _read_line(text: str | bytes) -> dict[str, Any]:
    """Return one line. Any error means that it is damaged."""
    line = json.loads(text)
    texts = ("kind", "name", "text") if line["kind"] == "alarm" else ("kind",)
    if not all(isinstance(line[name], str) for name in texts) or not all(type(line[name]) is int for name in _AXES[1:]):
        raise TypeError
    return {name: value if name in (*texts, *_AXES) else float(value) for name, value in line.items()}
