"""Pictures and films made of images: arrays in, one file out.

Small images are enlarged by whole factors without smoothing, so that a pixel stays a pixel.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from jaxtyping import UInt8

from reverie.envs.conversions import as_colors
from reverie.evaluation.figures import new_figure, save, whole_file

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

_FILM_SIDE = 256  # pixels; players blur a 64-pixel film when they enlarge it
_TILE_SIDE, _MOST_TILE_SIDE, _MOSAIC_WIDTH = 64, 240, 480
_STRIP_COLUMNS = (5, 11)  # at most this many steps of the context, and of the imagination
_SEEN, _IMAGINED = (46, 160, 67), (203, 36, 49)  # RGB: context, imagination
_TEXT, _FRAME, _TEXT_SIZE = (40, 40, 40), (150, 150, 150), 14


def write_video(path: Path, frames: UInt8[np.ndarray, "T H W C"], fps: float) -> Path:
    """Write an h264 mp4; `frames` have any number of channels (`as_colors`). Returns `path`.

    Small frames are enlarged until both sides have at least 256 pixels. Raises `ValueError` where there is no frame.
    """
    import av

    if len(frames) == 0:
        raise ValueError(f"there is no frame to write to {path}")
    height, width = frames.shape[1:3]
    factor = _factor((height, width), _FILM_SIDE)
    with whole_file(path) as partial, av.open(str(partial), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.height = height * factor // 2 * 2  # h264 in yuv420p needs even sides
        stream.width = width * factor // 2 * 2
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "18"}
        for frame in as_colors(frames):
            large = _enlarge(frame, factor)[: stream.height, : stream.width]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(large), "rgb24")))
        container.mux(stream.encode())
    return Path(path)


def write_image(path: Path, image: UInt8[np.ndarray, "H W C"]) -> Path:
    """Write one image as a PNG, without enlarging it. Returns `path`."""
    from PIL import Image

    with whole_file(path) as partial:
        Image.fromarray(np.ascontiguousarray(as_colors(image[None])[0])).save(partial, "PNG")
    return Path(path)


def open_loop_strip(
    path: Path, real: UInt8[np.ndarray, "T H W C"], imagined: UInt8[np.ndarray, "T H W C"], context: int
) -> Path:
    """Write a PNG with steps of a film in columns: real, imagined, and their difference under them.

    The model sees the first `context` frames (their `imagined` row is its reconstruction) and no more.
    """
    seen, unseen = _STRIP_COLUMNS
    steps = [*spread(0, context, seen), *spread(context, len(real), unseen)]
    rows = {"real": real, "imagined": imagined, "difference": _difference(real, imagined)}
    tiles = [[_bordered(as_colors(film)[step], step < context) for step in steps] for film in rows.values()]
    grid = np.concatenate([np.concatenate(row, axis=1) for row in tiles])
    height, width = tiles[0][0].shape[:2]
    figure = new_figure(0.9 * len(steps) + 0.9, 0.9 * len(rows) * height / width + 0.75)
    axes = figure.add_subplot()
    axes.imshow(grid, interpolation="nearest")
    axes.set_xticks([(column + 0.5) * width for column in range(len(steps))], [f"t = {step}" for step in steps])
    axes.set_yticks([(row + 0.5) * height for row in range(len(rows))], list(rows))
    axes.tick_params(length=0, labelsize=9, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(
        f"green: the model has seen these frames (t < {context})"
        + ("\n" if len(steps) < 8 else "     ")
        + f"red: imagined from the actions alone (t ≥ {context})",
        fontsize=9,
    )
    return save(figure, path)


def open_loop_video(
    path: Path,
    real: UInt8[np.ndarray, "T H W C"],
    imagined: UInt8[np.ndarray, "T H W C"],
    context: int,
    fps: float = 10,
) -> Path:
    """Write a film of three panels (real, imagined, difference), titled; green while the model sees."""
    factor = _factor(real.shape[1:3], _FILM_SIDE)
    panels = [as_colors(film) for film in (real, imagined, _difference(real, imagined))]
    frames = []
    for step, images in enumerate(zip(*panels)):
        panel_row = np.concatenate([_enlarge(image, factor) for image in images], axis=1)
        bar = np.zeros((40, panel_row.shape[1], 3), np.uint8)
        bar[-6:] = _SEEN if step < context else _IMAGINED
        verb = "reconstructed" if step < context else "imagined"
        for panel, title in enumerate((f"real, t = {step}", verb, "difference")):
            corner = (panel * panel_row.shape[1] // 3 + 6, 25)
            cv2.putText(bar, title, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
        frames.append(np.concatenate([bar, panel_row]))
    return write_video(path, np.stack(frames), fps)


def mosaic(
    rows: Sequence[Sequence[UInt8[np.ndarray, "H W C"]]],
    gap: int = 4,
    gap_after: int = 0,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    title: str = "",
) -> UInt8[np.ndarray, "H2 W2 3"]:
    """Lay out images of one size in rows, with labels to the left of the rows and above the columns.

    Images are enlarged to 64 pixels or more, and further where there are few of them. Each has a thin gray frame,
    so that white images stand out; with `gap` 0 they touch, without frames. `gap_after`: how many columns come before
    a wide gap. A row may be shorter than the others.
    """
    from PIL import Image, ImageDraw

    count = max(len(row) for row in rows)
    height, width = rows[0][0].shape[:2]
    few = min(-(-_MOSAIC_WIDTH // (count * width)), _MOST_TILE_SIDE // max(height, width))
    factor = max(_factor((height, width), _TILE_SIDE), few)
    height, width = height * factor, width * factor
    font = _font()
    left = max((_text_size(label, font)[0] for label in row_labels), default=0) + (12 if row_labels else 4)
    heading = max((_text_size(label, font)[1] for label in column_labels), default=0) + (8 if column_labels else 4)
    top = heading + (_text_size(title, font)[1] + 12 if title else 0)
    columns, edge = [], left + gap
    for column in range(count):
        label = column_labels[column] if column < len(column_labels) else ""
        pitch = max(width, _text_size(label, font)[0] + 8)
        columns.append(edge + (pitch - width) // 2)
        edge += pitch + gap + (5 * gap if column + 1 == gap_after else 0)
    right = max(edge, 12 + _text_size(title, font)[0]) + 4
    canvas = Image.new("RGB", (right, top + len(rows) * (height + gap) + gap + 4), "white")
    draw = ImageDraw.Draw(canvas)
    draw.text((8, 6), title, _TEXT, font, spacing=2)
    for column, label in enumerate(column_labels):
        draw.text((columns[column] + width / 2, top - 2), label, _TEXT, font, "md", spacing=2, align="center")
    for number, row in enumerate(rows):
        y = top + gap + number * (height + gap)
        if number < len(row_labels):
            draw.text((left - 4, y + height / 2), row_labels[number], _TEXT, font, "rm", spacing=2, align="right")
        for x, image in zip(columns, row):
            canvas.paste(Image.fromarray(_enlarge(as_colors(image), factor)), (x, y))
            if gap:
                draw.rectangle((x - 1, y - 1, x + width, y + height), outline=_FRAME)
    return np.asarray(canvas)


def spread(start: int, stop: int, most: int) -> list[int]:
    """At most `most` integers of [start, stop), evenly spread, with both ends."""
    return np.linspace(start, stop - 1, min(most, max(stop - start, 0))).round().astype(int).tolist()


def _font() -> "FreeTypeFont":
    """The font of the plots, which comes with matplotlib."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", _TEXT_SIZE)


def _text_size(text: str, font: "FreeTypeFont") -> tuple[int, int]:
    """Width and height in pixels of lines of text."""
    lines = text.split("\n") if text else []
    return round(max((font.getlength(line) for line in lines), default=0)), len(lines) * (_TEXT_SIZE + 3)


def _difference(real: np.ndarray, imagined: np.ndarray) -> np.ndarray:
    return np.abs(real.astype(np.int16) - imagined.astype(np.int16)).astype(np.uint8)


def _bordered(image: np.ndarray, seen: bool) -> np.ndarray:
    """The image, enlarged where it is small, with a border whose color tells whether the model has seen it."""
    large = _enlarge(image, _factor(image.shape[:2], 128))
    thick = max(2, large.shape[1] // 32)
    bordered = np.full((large.shape[0] + 4 * thick, large.shape[1] + 4 * thick, 3), 255, np.uint8)
    bordered[thick:-thick, thick:-thick] = _SEEN if seen else _IMAGINED
    bordered[2 * thick : -2 * thick, 2 * thick : -2 * thick] = large
    return bordered


def _factor(size: tuple[int, ...], least: int) -> int:
    """The whole factor by which both sides reach at least that many pixels."""
    return max(1, -(-least // min(size)))


def _enlarge(image: np.ndarray, factor: int) -> np.ndarray:
    return image.repeat(factor, axis=0).repeat(factor, axis=1)
