"""Trackio: a database on this machine, or a Space of Hugging Face."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import numpy as np

from reverie.runs.trackers.base import DictionaryLog, LogConfig, Shown, encoded


@dataclass(frozen=True)
class TrackioConfig(LogConfig):
    """Trackio. Its name of the run has the run's id, so a resumed run continues the same curves."""

    package: ClassVar[str] = "trackio"
    project: str = "reverie"
    """The project, for `trackio show --project reverie`."""
    group: str | None = None
    """A name that runs share, such as that of a sweep."""
    space: str | None = None
    """A Space of Hugging Face, `user/name`; none keeps everything on this machine, without network."""

    def build(self, run: Shown) -> "Trackio":
        return Trackio(self, run)


class Trackio(DictionaryLog):
    """Implements `Tracker`. Films are given as GIF files, because trackio would need ffmpeg to encode them."""

    def __init__(self, config: TrackioConfig, run: Shown) -> None:
        import trackio  # pyrefly: ignore

        self._module, self._run = (
            trackio,
            trackio.init(
                project=config.project,
                group=config.group,
                space_id=config.space,
                name=f"{run.folder.name}-{run.id}",
                resume="allow",
                config=dict(run.config),
                embed=False,
            ),
        )

    def video(self, name: str, frames: np.ndarray, step: int, fps: float) -> None:
        with TemporaryDirectory() as folder:  # `log` copies the file
            path = Path(folder) / "film.gif"
            path.write_bytes(encoded(frames, "GIF", fps))
            self._run.log({name: self._module.Video(str(path))}, step=step)
