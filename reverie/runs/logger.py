"""What a run measures, written down: `metrics.jsonl` for programs and `tensorboard/` for eyes.

A line of `metrics.jsonl` is one JSON object:

    {"kind": "train", "frames": 2000, "decisions": 1000, "updates": 100, "loss": 3.1}

Everything that depends on the machine's speed goes to lines of kind `timing`. The other lines are a
function of config and seed alone: bit for bit the same whether a run was interrupted or not.

TensorBoard's event file is written here in the foreground, not by its `SummaryWriter`: that one needs two
seconds to import, writes in a thread that survives no fork, and reports a full disk only by a traceback.
"""

import errno
import io
import json
import math
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from reverie.envs.conversions import as_colors
from reverie.errors import UserError

Kind = Literal["train", "episode", "evaluation", "timing", "alarm"]
Axis = Literal["frames", "updates"]
Moment = Mapping[Literal["frames", "decisions", "updates"], int]
"""When in training: environment frames, decisions and updates so far."""
_AXES = ("kind", "frames", "decisions", "updates")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Logger:
    """Appends to the metrics of the run in `folder`; a context manager that closes its files.

    `axis` is what TensorBoard draws against. `resume_at` is the `position()` that a checkpoint carries: whatever
    was written after it is cut off, so that a resumed run continues where its weights are. `purge_step` hides
    what TensorBoard has from that step of the axis on.

    Every method that writes raises `UserError` on a full disk.
    """

    def __init__(
        self, folder: Path, axis: Axis = "frames", resume_at: int | None = None, purge_step: int | None = None
    ):
        self._path, self._axis = Path(folder) / "metrics.jsonl", axis
        self._purge_step = purge_step
        with _full_disk_is_a_user_error(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: a write that failed must not be tried again when the file is closed.
            self._lines = open(self._path, "ab", buffering=0)  # noqa: SIM115
            if resume_at is not None and resume_at < self._path.stat().st_size:
                self._lines.truncate(resume_at)

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
            self._append(line_kind, moment, {name: _as_json(number) for name, number in numbers.items()})
            scalars = {f"{line_kind}/{name}": number for name, number in numbers.items()}
            with _full_disk_is_a_user_error(self._path):
                self._events.scalars(scalars, moment[self._axis])

    def alarm(self, moment: Moment, name: str, text: str) -> None:
        """Log a warning: what has gone wrong, by a `name` for programs and a sentence for people."""
        self._append("alarm", moment, {"name": name, "text": text})

    def image(self, name: str, image: np.ndarray, step: int) -> None:
        """Show a picture in TensorBoard. `image`: (H, W, channels) uint8."""
        self._show(name, image[None], step, "PNG")

    def video(self, name: str, frames: np.ndarray, step: int, fps: float) -> None:
        """Show a film in TensorBoard, as a GIF that loops. `frames`: (T, H, W, channels) uint8."""
        self._show(name, frames, step, "GIF", save_all=True, duration=1000 / fps, loop=0)

    def position(self) -> int:
        """Bytes of `metrics.jsonl` written so far, and by now safely on the disk."""
        with _full_disk_is_a_user_error(self._path):
            os.fsync(self._lines.fileno())
        return self._path.stat().st_size

    def close(self) -> None:
        self._lines.close()
        if "_events" in vars(self):
            with _full_disk_is_a_user_error(self._path):
                self._events.close()

    def __enter__(self) -> "Logger":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @cached_property
    def _events(self) -> "_Events":
        return _Events(self._path.parent / "tensorboard", self._purge_step)

    def _append(self, kind: str, moment: Moment, values: dict[str, Any]) -> None:
        text = (json.dumps({"kind": kind, **moment, **values}, allow_nan=False) + "\n").encode()
        with _full_disk_is_a_user_error(self._path):
            if self._lines.write(text) != len(text):
                raise OSError(errno.ENOSPC, "only a part of the line could be written")

    def _show(self, name: str, frames: np.ndarray, step: int, file_format: str, **options: float) -> None:
        from PIL import Image

        first, *rest = [Image.fromarray(np.ascontiguousarray(frame)) for frame in as_colors(frames)]
        encoded = io.BytesIO()
        first.save(encoded, file_format, append_images=rest, **options)
        with _full_disk_is_a_user_error(self._path):
            self._events.image(name, encoded.getvalue(), first.height, first.width, step)


def read_metrics(folder: Path, kind: Kind | None = None) -> list[dict[str, Any]]:
    """The lines of `folder/metrics.jsonl` (of one kind), in order, with NaN and infinities restored.

    A last line that is still being written is left out. Raises `UserError` where there is no such file or
    another line of it is not JSON.
    """
    path = Path(folder) / "metrics.jsonl"
    if not path.is_file():
        raise UserError(f"There is no {path}; give the folder of a run that `reverie train` has started.")
    whole, _, _ = path.read_text().rpartition("\n")
    lines = []
    for number, text in enumerate(whole.splitlines(), start=1):
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            raise UserError(f"Line {number} of {path} is damaged; delete that line.") from None
        if kind in (None, line["kind"]):
            texts = (*_AXES, "name", "text")
            lines.append({name: value if name in texts else float(value) for name, value in line.items()})
    return lines


def _as_json(number: float) -> float | str:
    """JSON has no NaN and no infinity: they are written as the strings that `float` reads back."""
    return number if math.isfinite(number) else str(number)


@contextmanager
def _full_disk_is_a_user_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise UserError(
            f"The disk that holds {path.parent} is full; free some space and continue with "
            f"`reverie resume {path.parent}`."
        ) from error


class _Events:
    """One TensorBoard event file, written in the foreground."""

    def __init__(self, folder: Path, purge_step: int | None):
        # Imported here because it takes 0.3 s, which `reverie --help` need not wait for.
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        # Any, because protobuf makes the classes of these modules at import.
        self._event = cast(Any, event_pb2)
        self._summary = cast(Any, summary_pb2)
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
        self._file = open(folder / name, "wb", buffering=0)  # noqa: SIM115
        self._records = RecordWriter(self._file)
        self._write(self._event.Event(file_version="brain.Event:2"))
        if purge_step is not None:
            start = self._event.SessionLog(status=self._event.SessionLog.START)
            self._write(self._event.Event(session_log=start, step=purge_step))

    def scalars(self, values: dict[str, float], step: int) -> None:
        value = [self._summary.Summary.Value(tag=tag, simple_value=number) for tag, number in values.items()]
        self._write(self._event.Event(summary=self._summary.Summary(value=value), step=step))

    def image(self, tag: str, encoded: bytes, height: int, width: int, step: int) -> None:
        image = self._summary.Summary.Image(encoded_image_string=encoded, height=height, width=width, colorspace=3)
        value = self._summary.Summary.Value(tag=tag, image=image)
        self._write(self._event.Event(summary=self._summary.Summary(value=[value]), step=step))

    def close(self) -> None:
        self._file.close()

    def _write(self, event: Any) -> None:
        event.wall_time = time.time()
        self._records.write(event.SerializeToString())
