"""Frames of a video file, by their times."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from reverie.config.plugins import explain_errors
from reverie.errors import UserError


def frames(file: Path, start: float, count: int, fps: float, channels: int, whole: bool) -> Iterator[np.ndarray]:
    """Yield `count` frames from second `start` on, as uint8 images (height, width, channels) in gray or RGB.

    A frame may be half a period early or late. UserError if one is missing, and if more follow them in a `whole` file.
    """
    found = 0
    with explain_errors(f"The video {file} cannot be decoded", "restore it from a copy"):
        for time, image in _decode(file, start, start - 0.5 / fps, "gray" if channels == 1 else "rgb24"):
            place = round((time - start) * fps)
            if place >= count and not whole:
                break
            if place != found or found == count:
                many = f"more than {count}" if found == count else f"a gap after {found} of {count}"
                raise UserError(f"The video {file} has {many} frames from second {start:.3f}: record it anew.")
            found += 1
            yield image.reshape(*image.shape[:2], channels)
        if found < count:
            raise UserError(f"The video {file} has {found} of {count} frames from second {start:.3f}: restore it.")


def all_frames(file: Path) -> Iterator[np.ndarray]:
    """Yield every frame of a file as uint8 RGB. UserError if it is no video."""
    with explain_errors(f"The video {file} cannot be decoded", "restore it from a copy"):
        for _, image in _decode(file, 0.0, -np.inf, "rgb24"):
            yield image


def _decode(file: Path, start: float, since: float, form: str) -> Iterator[tuple[float, np.ndarray]]:
    """Yield the frames from second `since` on with their times, which are those of the file."""
    import av

    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        if stream.time_base is None:
            raise ValueError("it has no times")
        container.seek(max(0, int(start / stream.time_base)), stream=stream)
        decoded = container.decode(stream)
        first = next(decoded, None)
        if first is None or first.time is None or first.time > since:  # the times of seeking are those of decoding
            container.seek(0, stream=stream)
            decoded = container.decode(stream)
        else:
            decoded = chain([first], decoded)
        for frame in decoded:
            if frame.time is None:
                raise ValueError("it has no times")
            if frame.time >= since:
                yield frame.time, frame.to_ndarray(format=form)
