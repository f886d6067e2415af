"""The contract of a tracker, which shows the log of a run elsewhere: `--log wandb,tensorboard`.

`metrics.jsonl` stays the truth. A tracker follows it, and a package is imported only where its tracker is asked for.
"""

import errno
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from reverie.config.choices import Choice
from reverie.envs.conversions import as_colors
from reverie.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Shown:
    """What a tracker is told about the run."""

    folder: Path
    config: Mapping[str, Any]
    """The settings, as in `config.json`."""
    id: str
    """The same in every process that goes on with the run."""
    purge_step: int | None = None
    """The step from which an earlier process has shown what is computed anew; None in the first one."""


class Tracker(Protocol):
    """Shows numbers and pictures. `step` counts frames or updates, and never falls."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Show numbers by name, such as `train/loss`. NaN and infinities are among them."""
        ...

    def image(self, name: str, image: np.ndarray, step: int) -> None:
        """Show a picture (H, W, channels) uint8."""
        ...

    def video(self, name: str, frames: np.ndarray, step: int, fps: float) -> None:
        """Show a film (T, H, W, channels) uint8."""
        ...

    def close(self) -> None:
        """Send what is left."""
        ...


class LogConfig(Choice):
    """The family of trackers."""

    by_name = True
    package: ClassVar[str] = ""
    """The package that it needs beyond those of Reverie, which is also the name of its extra."""
    takes_back: ClassVar[bool] = False
    """Whether it can hide what a killed process has shown. The others get each step once."""

    def check(self) -> None:
        """Raise UserError if the tracker's package is missing."""
        if self.package and find_spec(self.package) is None:
            raise UserError(
                f"`--log {self.package}` needs the package {self.package}: `pip install 'reverie[{self.package}]'`, "
                "or leave it out."
            )

    def build(self, run: Shown) -> Tracker:
        """Begin to show a run, or go on with it."""
        raise NotImplementedError


def encoded(frames: np.ndarray, kind: Literal["PNG", "GIF"], fps: float = 1.0) -> bytes:
    """Return a picture, or a film that loops, as the bytes of a file. `frames`: (T, H, W, channels) uint8."""
    from PIL import Image

    first, *rest = [Image.fromarray(np.ascontiguousarray(frame)) for frame in as_colors(frames)]
    file = io.BytesIO()
    options = {} if kind == "PNG" else {"save_all": True, "append_images": rest, "duration": 1000 / fps, "loop": 0}
    first.save(file, kind, **options)
    return file.getvalue()


@contextmanager
def checked_disk(folder: Path) -> Iterator[None]:
    """Turn an error of the system into a UserError that names the run's folder."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise UserError(
                f"The log in {folder} cannot be written ({error.strerror}): see to its files and folders, then "
                f"continue with `reverie resume {folder}`."
            ) from error
        raise UserError(
            f"The disk that holds {folder} is full; free some space and continue with `reverie resume {folder}`."
        ) from error


class DictionaryLog:
    """What wandb and trackio share: a module with `Image`, and a run that logs dictionaries by step."""

    _module: Any
    _run: Any

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def image(self, name: str, image: np.ndarray, step: int) -> None:
        self._run.log({name: self._module.Image(as_colors(image))}, step=step)

    def close(self) -> None:
        self._run.finish()
