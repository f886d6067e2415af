"""Write and read the log of a run: `metrics.jsonl` for programs, `tensorboard/` for people.

A line of `metrics.jsonl` is one JSON object:

    {"kind": "train", "frames": 2000, "decisions": 1000, "updates": 100, "loss": 3.1}

Lines of kind `timing` hold everything that depends on the machine's speed. The other lines depend on config and seed
alone: they are the same, bit for bit, whether a run was interrupted or not.
"""

import errno
import io
import json
import math
import os
import socket
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from reverie.envs.conversions import as_colors
from reverie.errors import UserError

if TYPE_CHECKING:
    from tensorboard.summary.writer.record_writer import RecordWriter

Kind = Literal["train", "episode", "evaluation", "timing", "alarm"]
Axis = Literal["frames", "updates"]
Moment = Mapping[Literal["frames", "decisions", "updates"], int]
"""When in training: environment frames, decisions and updates so far."""
_AXES = ("kind", "frames", "decisions", "updates")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Logger(ExitStack):
    """Append to the log of the run in `folder`. It is a context manager.

    `axis` is the horizontal axis in TensorBoard. `resume_at` is the `position()` in a checkpoint: lines after it are
    cut off. TensorBoard hides what was logged from `purge_step` of the axis on. Every method that writes raises
    `UserError` if the disk is full.
    """

    def __init__(
        self, folder: Path, axis: Axis = "frames", resume_at: int | None = None, purge_step: int | None = None
    ):
        super().__init__()
        self._path, self._axis, self._purge_step = Path(folder) / "metrics.jsonl", axis, purge_step
        self._records: RecordWriter | None = None
        with self._checked_disk():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered, so that closing the file does not repeat a write that failed.
            self._lines = self.enter_context(self._path.open("ab", buffering=0))
            size = self._path.stat().st_size
            if resume_at is not None and resume_at > size:
                warnings.warn(f"{self._path} lacks lines from before the checkpoint: curves lack them.", stacklevel=2)
            elif resume_at is not None and resume_at < size:
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
            # JSON has no NaN and no infinity: they become the strings that `float` reads back.
            self._append(line_kind, moment, {name: x if math.isfinite(x) else str(x) for name, x in numbers.items()})
            scalars = [{"tag": f"{line_kind}/{name}", "simple_value": number} for name, number in numbers.items()]
            self._write_event(moment[self._axis], summary={"value": scalars})

    def alarm(self, moment: Moment, name: str, text: str) -> None:
        """Log a warning: a `name` for programs and a sentence for people."""
        self._append("alarm", moment, {"name": name, "text": text})

    def image(self, name: str, image: np.ndarray, step: int) -> None:
        """Show a picture in TensorBoard. `image`: (H, W, channels) uint8."""
        self._show(name, image[None], step, "PNG")

    def video(self, name: str, frames: np.ndarray, step: int, fps: float) -> None:
        """Show a film in TensorBoard, as a GIF that loops. `frames`: (T, H, W, channels) uint8."""
        self._show(name, frames, step, "GIF", save_all=True, duration=1000 / fps, loop=0)

    def position(self) -> int:
        """Return the size of `metrics.jsonl` in bytes, all of them safely on the disk."""
        with self._checked_disk():
            os.fsync(self._lines.fileno())
        return self._path.stat().st_size

    def _write_event(self, step: int, **content: Any) -> None:
        """Write `content`, fields of the protobuf message `Event`, to TensorBoard's file.

        PyTorch's `SummaryWriter` is not used: its import takes two seconds, its thread does not survive a fork, and it
        reports a full disk only by a traceback.
        """
        # The imports take 0.3 s, which `reverie --help` need not wait for.
        from tensorboard.compat.proto.event_pb2 import Event  # pyrefly: ignore
        from tensorboard.summary.writer.record_writer import RecordWriter

        events = [Event(step=step, **content)]
        with self._checked_disk():
            if self._records is None:
                folder = self._path.parent / "tensorboard"
                folder.mkdir(parents=True, exist_ok=True)
                name = f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
                self._records = RecordWriter(self.enter_context((folder / name).open("wb", buffering=0)))
                purge, log = self._purge_step, {"status": "START"}
                start = [] if purge is None else [Event(step=purge, session_log=log)]
                events = [Event(file_version="brain.Event:2"), *start, *events]
            for event in events:
                event.wall_time = time.time()
                self._records.write(event.SerializeToString())

    def _append(self, kind: str, moment: Moment, values: dict[str, Any]) -> None:
        text = (json.dumps({"kind": kind, **moment, **values}, allow_nan=False) + "\n").encode()
        with self._checked_disk():
            if self._lines.write(text) != len(text):
                raise OSError(errno.ENOSPC, "only a part of the line could be written")

    def _show(self, name: str, frames: np.ndarray, step: int, file_format: str, **options: float) -> None:
        from PIL import Image

        first, *rest = [Image.fromarray(np.ascontiguousarray(frame)) for frame in as_colors(frames)]
        encoded = io.BytesIO()
        first.save(encoded, file_format, append_images=rest, **options)
        size = {"height": first.height, "width": first.width}
        image = {**size, "colorspace": 3, "encoded_image_string": encoded.getvalue()}
        self._write_event(step, summary={"value": [{"tag": name, "image": image}]})

    @contextmanager
    def _checked_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            folder = self._path.parent
            if error.errno not in _FULL:
                raise UserError(
                    f"The log in {folder} cannot be written ({error.strerror}): see to its files and folders, then "
                    f"continue with `reverie resume {folder}`."
                ) from error
            raise UserError(
                f"The disk that holds {folder} is full; free some space and continue with `reverie resume {folder}`."
            ) from error


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
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            raise UserError(f"Line {number} of {path} is damaged; delete that line.") from None
        if kind in (None, line["kind"]):
            lines.append(line)
    return lines


def _read_line(text: str) -> dict[str, Any]:
    """Return one line. Any error means that it is damaged."""
    line = json.loads(text)
    texts = ("kind", "name", "text") if line["kind"] == "alarm" else ("kind",)
    if not all(isinstance(line[name], str) for name in texts) or not all(type(line[name]) is int for name in _AXES[1:]):
        raise TypeError
    return {name: value if name in (*texts, *_AXES) else float(value) for name, value in line.items()}
