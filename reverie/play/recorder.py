"""Frames that a person sees, written to an mp4 while they play."""

import tempfile
from pathlib import Path

import numpy as np

from reverie.errors import UserError
from reverie.evaluation import films
from reverie.evaluation.films import Film


class Recorder:
    """A film in a temporary folder, which vanishes with `close`. Only one is written at a time."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._film: Film | None = None

    @property
    def running(self) -> bool:
        return self._film is not None

    def start(self, fps: float) -> None:
        """Begin a film of `fps` frames a second. An unfinished one is forgotten."""
        self.close()
        self._folder = tempfile.TemporaryDirectory(prefix="reverie-play-")
        self._film = Film(Path(self._folder.name) / "play.mp4", fps)

    def add(self, panels: dict[str, np.ndarray]) -> None:
        """Append images side by side, each under its name, if a film is written."""
        if self._film is not None:
            self._film.add(films.mosaic([[*panels.values()]], column_labels=list(panels), least_side=256))

    def finish(self) -> bytes:
        """Return the film as the bytes of an mp4. UserError if there is none, or it has no frame."""
        if self._film is None or self._film.length == 0:
            raise UserError("No frame was recorded: press record, then play.")
        content = self._film.finish().read_bytes()
        self.close()
        return content

    def close(self) -> None:
        """Forget the film."""
        if self._film is not None and self._folder is not None:
            self._film.close()
            self._folder.cleanup()
        self._film = self._folder = None
