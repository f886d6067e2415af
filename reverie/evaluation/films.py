"""Pictures and films made of images: arrays in, one file out.

Small images are enlarged by whole factors without smoothing, so that a pixel stays a pixel. All functions take
images with any number of channels (`envs.conversions.as_colors`).
"""

import io
import mmap
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from reverie.envs.conversions import as_colors
from reverie.errors import UserError
from reverie.files import atomic_write

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Color = tuple[int, int, int]

_FILM_SIDE = 256  # pixels; players blur a 64-pixel film when they enlarge it
_TILE_SIDE, _MOST_TILE_SIDE, _MOSAIC_WIDTH = 64, 240, 480
_SEEN, _IMAGINED = ("seen", (46, 160, 67)), ("imagined", (203, 36, 49))  # label and RGB of an open loop's frames
_TEXT, _FRAME, _TEXT_SIZE = (40, 40, 40), (150, 150, 150), 14
_MOST_GIF_FRAMES = 2_000  # a gif is held in memory: 200 MB at the size of Atari's screen


def check_ending(path: Path) -> None:
    """Raise UserError unless a film can have this name."""
    if path.suffix.lower() not in (".mp4", ".gif"):
        raise UserError(f"A film is an mp4 or a gif, and {path.name!r} says neither: end its name with .mp4 or .gif.")


class Film:
    """An h264 mp4 that is written to the disk frame by frame, `fps` a second; or a gif if `path` ends so.

    Its memory does not grow with its length, except that of a gif, which has at most 2,000 frames. Small frames are
    enlarged until both sides have at least 256 pixels. The file appears when `finish` is called. `close` forgets
    all frames, and the film can begin anew.
    """

    def __init__(self, path: Path, fps: float) -> None:
        check_ending(path)
        self.path, self.fps, self.is_gif = path, fps, path.suffix.lower() == ".gif"
        self.encoder: _Encoder | None = None
        self.close()

    def close(self) -> None:
        """Forget all frames."""
        if self.encoder is not None:
            self.encoder.resources.close()
        self.frames: list[np.ndarray] = []
        self.length, self.factor, self.encoder = 0, 1, None

    def add(self, frame: UInt8[np.ndarray, "H W C"]) -> None:
        """Append a frame of the size of the others."""
        if self.length == 0:
            self.factor = _factor(frame, _FILM_SIDE)
            self.encoder = None if self.is_gif else _Encoder(self.path.parent, self._enlarged(frame).shape, self.fps)
        self.length += 1
        if self.encoder is not None:
            self.encoder.add(self._enlarged(frame))
        elif self.length <= _MOST_GIF_FRAMES:
            self.frames.append(frame)

    def finish(self) -> Path:
        """Put the file in its place, and return its path. `ValueError` without frames."""
        if self.length == 0:
            raise ValueError(f"there is no frame to write to {self.path}")
        atomic_write(self.path, self._gif() if self.encoder is None else self.encoder.content())
        self.close()
        return self.path

    def _enlarged(self, frame: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(_enlarge(as_colors(frame), self.factor))

    def _gif(self) -> bytes:
        from PIL import Image

        first, *rest = self.frames
        images = (Image.fromarray(self._enlarged(frame)) for frame in rest)
        film, options = io.BytesIO(), {"duration": 1000 / self.fps, "loop": 0}
        Image.fromarray(self._enlarged(first)).save(film, "GIF", save_all=True, append_images=images, **options)
        return film.getvalue()


class _Encoder:
    """Encodes frames of one size into an unnamed file in `folder`, which vanishes when `resources` are closed."""

    def __init__(self, folder: Path, shape: tuple[int, ...], fps: float) -> None:
        import av

        folder.mkdir(parents=True, exist_ok=True)
        self.resources = ExitStack()
        self.file: Any = self.resources.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115
        self.container = self.resources.enter_context(av.open(self.file, "w", format="mp4"))
        self.stream: Any = self.container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        self.stream.height, self.stream.width = (side // 2 * 2 for side in shape[:2])  # yuv420p needs even sides
        self.stream.pix_fmt = "yuv420p"
        self.stream.options = {"crf": "18"}

    def add(self, frame: np.ndarray) -> None:
        import av

        even = np.ascontiguousarray(frame[: self.stream.height, : self.stream.width])
        self.container.mux(self.stream.encode(av.VideoFrame.from_ndarray(even, "rgb24")))

    def content(self) -> memoryview:
        """Finish the film and return it, mapped from the disk."""
        self.container.mux(self.stream.encode())
        self.container.close()
        self.file.flush()
        return memoryview(mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ))


def write_video(path: Path, frames: Iterable[UInt8[np.ndarray, "H W C"]], fps: float) -> Path:
    """Write all frames as a `Film`. Return `path`. `ValueError` without frames."""
    film = Film(path, fps)
    try:
        for frame in frames:
            film.add(frame)
        return film.finish()
    finally:
        film.close()


def write_image(path: Path, image: UInt8[np.ndarray, "H W C"]) -> Path:
    """Write one image as a PNG, without enlarging it. Return `path`."""
    from PIL import Image

    png = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(as_colors(image))).save(png, "PNG")
    atomic_write(path, png.getvalue())
    return path


def film_rows(
    films: Mapping[str, UInt8[np.ndarray, "T H W C"]],
    steps: Sequence[int],
    context: int,
    title: str = "",
    least_side: int = _TILE_SIDE,
) -> UInt8[np.ndarray, "H2 W2 3"]:
    """Lay out the same steps of several films, a labeled row each. A gap separates `context` from imagination."""
    parts = [_SEEN if step < context else _IMAGINED for step in steps]
    return mosaic(
        [[film[step] for step in steps] for film in films.values()],
        gap=6,
        gap_after=parts.count(_SEEN),
        row_labels=list(films),
        column_labels=[f"t = {step}\n{label}" for step, (label, _) in zip(steps, parts)],
        title=title,
        colors=[color for _, color in parts],
        least_side=least_side,
    )


def film_panels(
    films: Mapping[str, UInt8[np.ndarray, "T H W C"]], context: int, least_side: int = _FILM_SIDE
) -> UInt8[np.ndarray, "T H2 W2 3"]:
    """Lay out several films side by side as one. Frames are green for the context, then red."""
    frames = []
    for step, images in enumerate(zip(*films.values())):
        label, color = _SEEN if step < context else _IMAGINED
        frame = mosaic(
            [images],
            gap=6,
            column_labels=list(films),
            title=f"t = {step}, {label}",
            colors=[color] * len(films),
            least_side=least_side,
        )
        frames.append(frame)
    return np.stack(frames)


def mosaic(
    rows: Sequence[Sequence[UInt8[np.ndarray, "H W C"]] | UInt8[np.ndarray, "_ H W C"]],
    gap: int = 4,
    gap_after: int = 0,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    title: str = "",
    colors: Sequence[Color] = (),
    least_side: int = _TILE_SIDE,
) -> UInt8[np.ndarray, "H2 W2 3"]:
    """Lay out images of one size in rows, with labels to the left of the rows and above the columns.

    Images get a frame, so that white images stand out. A row may be shorter than the others.

    - `gap`: pixels between images. With 0 they touch, without frames.
    - `gap_after`: number of columns before a wide gap, 0 for no wide gap.
    - `colors`: RGB of the frames in each column, gray by default.
    - `least_side`: least pixels of a side, to which images are enlarged. A mosaic of few images has larger ones.
    """
    from PIL import Image, ImageDraw

    count, (height, width) = max(len(row) for row in rows), rows[0][0].shape[:2]
    few = min(-(-_MOSAIC_WIDTH // (count * width)), _MOST_TILE_SIDE // max(height, width))
    factor = max(_factor(rows[0][0], least_side), few)
    height, width = height * factor, width * factor
    left = max((_text_size(label)[0] for label in row_labels), default=0) + (12 if row_labels else 4)
    heading = max((_text_size(label)[1] for label in column_labels), default=0) + (8 if column_labels else 4)
    top = heading + (_text_size(title)[1] + 12 if title else 0)
    columns, edge = [], left + gap
    for column in range(count):
        label = column_labels[column] if column < len(column_labels) else ""
        pitch = max(width, _text_size(label)[0] + 8)
        columns.append(edge + (pitch - width) // 2)
        edge += pitch + gap + (5 * gap if column + 1 == gap_after else 0)
    right = max(edge, 12 + _text_size(title)[0]) + 4
    canvas = Image.new("RGB", (right, top + len(rows) * (height + gap) + gap + 4), "white")
    draw, font, line = ImageDraw.Draw(canvas), _font(), gap // 3
    draw.text((8, 6), title, _TEXT, font, spacing=2)
    for x, label in zip(columns, column_labels):
        draw.text((x + width / 2, top - 2), label, _TEXT, font, "md", spacing=2, align="center")
    for number, row in enumerate(rows):
        y = top + gap + number * (height + gap)
        if number < len(row_labels):
            draw.text((left - 4, y + height / 2), row_labels[number], _TEXT, font, "rm", spacing=2, align="right")
        for x, image, color in zip(columns, row, colors or [_FRAME] * count):
            if line:
                draw.rectangle((x - line, y - line, x + width + line - 1, y + height + line - 1), color)
            canvas.paste(Image.fromarray(_enlarge(as_colors(image), factor)), (x, y))
    return np.asarray(canvas)


def spread(start: int, stop: int, most: int) -> list[int]:
    """Return at most `most` integers of [start, stop), evenly spread, with both ends."""
    return np.linspace(start, stop - 1, min(most, max(stop - start, 0))).round().astype(int).tolist()


@cache
def _font() -> "FreeTypeFont":
    """Return the font of the plots, which comes with matplotlib."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", _TEXT_SIZE)


def _text_size(text: str) -> tuple[int, int]:
    """Return width and height in pixels."""
    lines = text.split("\n") if text else []
    return round(max((_font().getlength(line) for line in lines), default=0)), len(lines) * (_TEXT_SIZE + 3)


def _factor(image: np.ndarray, least: int) -> int:
    """Return the whole factor that brings both sides to at least `least` pixels."""
    return -(-least // min(image.shape[:2]))


def _enlarge(image: np.ndarray, factor: int) -> np.ndarray:
    return image.repeat(factor, axis=0).repeat(factor, axis=1)
