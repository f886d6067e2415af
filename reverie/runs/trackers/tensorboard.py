"""TensorBoard: event files in the run's folder."""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from reverie.runs.trackers.base import LogConfig, Shown, checked_disk, encoded

if TYPE_CHECKING:
    from tensorboard.summary.writer.record_writer import RecordWriter


@dataclass(frozen=True)
class TensorBoardConfig(LogConfig):
    """Event files in `tensorboard/` of the run's folder, for `tensorboard --logdir runs`."""

    takes_back: ClassVar[bool] = True

    def build(self, run: Shown) -> "TensorBoard":
        return TensorBoard(run)


class TensorBoard:
    """Implements `Tracker`. Its file is made with the first event.

    PyTorch's `SummaryWriter` is not used: its import takes two seconds, its thread does not survive a fork, and it
    reports a full disk only by a traceback.
    """

    def __init__(self, run: Shown) -> None:
        self._run, self._open = run, ExitStack()
        self._records: RecordWriter | None = None

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._write(step, summary={"value": [{"tag": tag, "simple_value": x} for tag, x in values.items()]})

    def image(self, name: str, image: np.ndarray, step: int) -> None:
        self._show(name, image[None], step, "PNG")

    def video(self, name: str, frames: np.ndarray, step: int, fps: float) -> None:
        """Show a film as a GIF that loops."""
        self._show(name, frames, step, "GIF", fps)

    def close(self) -> None:
        self._open.close()

    def _show(self, name: str, frames: np.ndarray, step: int, kind: Literal["PNG", "GIF"], fps: float = 1.0) -> None:
        height, width = frames.shape[1:3]
        image = {"height": height, "width": width, "colorspace": 3}
        image["encoded_image_string"] = encoded(frames, kind, fps)
        self._write(step, summary={"value": [{"tag": name, "image": image}]})

    def _write(self, step: int, **content: Any) -> None:
        """Write `content`, fields of the protobuf message `Event`."""
        # The imports take 0.3 s, which `reverie --help` need not wait for.
        from tensorboard.compat.proto.event_pb2 import Event  # pyrefly: ignore
        from tensorboard.summary.writer.record_writer import RecordWriter

        events = [Event(step=step, **content)]
        with checked_disk(self._run.folder):
            if self._records is None:
                folder = self._run.folder / "tensorboard"
                folder.mkdir(parents=True, exist_ok=True)
                name = f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
                self._records = RecordWriter(self._open.enter_context((folder / name).open("wb", buffering=0)))
                purge, log = self._run.purge_step, {"status": "START"}
                start = [] if purge is None else [Event(step=purge, session_log=log)]
                events = [Event(file_version="brain.Event:2"), *start, *events]
            for event in events:
                event.wall_time = time.time()
                self._records.write(event.SerializeToString())
