"""Pictures and films of what an agent did and what its model imagined: arrays in, one file out.

Every function writes its file whole or not at all (under another name first), and draws with matplotlib's
object interface, so that nothing is kept between calls and no display is needed.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from reverie.envs.conversions import as_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SMALLEST_SIDE = 256  # pixels; players blur a 64-pixel film when they enlarge it
_STRIP_COLUMNS = (5, 11)  # at most this many moments of the context, and of the imagination
_MOST_LABELS = 6  # more would hide what they stand for: the legend goes beside the axes
_MOST_MARKERS = 60  # more would hide the line they lie on
_SEEN, _IMAGINED = (46, 160, 67), (203, 36, 49)  # RGB of the bar over a film: context, imagination


def write_video(path: Path, frames: UInt8[np.ndarray, "T H W C"], fps: float) -> Path:
    """Write an h264 mp4; `frames` have any number of channels (`as_colors`). Returns `path`.

    Small frames are enlarged by whole factors without smoothing until both sides have at least 256 pixels.
    Raises `ValueError` where there is no frame.
    """
    import av

    if len(frames) == 0:
        raise ValueError(f"there is no frame to write to {path}")
    height, width = frames.shape[1:3]
    factor = _factor((height, width), _SMALLEST_SIDE)
    with _whole(path) as partial, av.open(str(partial), "w", format="mp4") as container:
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


def open_loop_strip(
    path: Path, real: UInt8[np.ndarray, "T H W C"], imagined: UInt8[np.ndarray, "T H W C"], context: int
) -> Path:
    """Write a PNG with moments of a film in columns: real, imagined, and their difference under them.

    The model sees the first `context` frames (their `imagined` row is its reconstruction) and no more.
    """
    seen, unseen = _STRIP_COLUMNS
    steps = np.unique(np.concatenate([_spread(0, context, seen), _spread(context, len(real), unseen)])).tolist()
    rows = {"real": real, "imagined": imagined, "difference": _difference(real, imagined)}
    tiles = [[_framed(as_colors(film)[step], step < context) for step in steps] for film in rows.values()]
    mosaic = np.concatenate([np.concatenate(row, axis=1) for row in tiles])
    height, width = tiles[0][0].shape[:2]
    figure = _figure(0.9 * len(steps) + 0.9, 0.9 * len(rows) * height / width + 0.75)
    axes = figure.add_subplot()
    axes.imshow(mosaic, interpolation="nearest")
    axes.set_xticks([(column + 0.5) * width for column in range(len(steps))], [f"t = {step}" for step in steps])
    axes.set_yticks([(row + 0.5) * height for row in range(len(rows))], list(rows))
    axes.tick_params(length=0, labelsize=9, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(
        f"green: the model has seen these frames (t < {context})     "
        f"red: imagined from the actions alone (t ≥ {context})",
        fontsize=9,
    )
    return _save(figure, path)


def open_loop_video(
    path: Path,
    real: UInt8[np.ndarray, "T H W C"],
    imagined: UInt8[np.ndarray, "T H W C"],
    context: int,
    fps: float = 10,
) -> Path:
    """Write a film of three panels (real, imagined, difference), titled; green while the model sees."""
    factor = _factor(real.shape[1:3], _SMALLEST_SIDE)
    panels = [as_colors(film) for film in (real, imagined, _difference(real, imagined))]
    frames = []
    for step, images in enumerate(zip(*panels)):
        picture = np.concatenate([_enlarge(image, factor) for image in images], axis=1)
        bar = np.zeros((40, picture.shape[1], 3), np.uint8)
        bar[-6:] = _SEEN if step < context else _IMAGINED
        verb = "reconstructed" if step < context else "imagined"
        for panel, title in enumerate((f"real, t = {step}", verb, "difference")):
            corner = (panel * picture.shape[1] // 3 + 6, 25)
            cv2.putText(bar, title, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
        frames.append(np.concatenate([bar, picture]))
    return write_video(path, np.stack(frames), fps)


def curve(
    path: Path,
    runs: Mapping[str, Sequence[tuple[float, float]]],
    title: str,
    references: Mapping[str, float] | None = None,
    training: Mapping[str, Sequence[tuple[float, float]]] | None = None,
    published: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> Path:
    """Write a PNG of return against environment frames; every series is of pairs (frames, return) by label.

    `runs`: evaluations. `training`: the training episodes of the same labels, drawn faintly behind them.
    `published`: other people's points, drawn as stars. `references`: published returns, drawn as dashed levels. Labels
    that differ only after `, seed` have one color.
    """
    figure = _figure(7, 4.2)
    axes = figure.add_subplot()
    methods = list(dict.fromkeys(label.partition(", seed")[0] for label in runs))
    for label, points in runs.items():
        frames, returns = zip(*sorted(points)) if points else ((), ())
        marker = "o" if len(points) <= _MOST_MARKERS else None
        color = f"C{methods.index(label.partition(', seed')[0])}"
        (line,) = axes.plot(frames, returns, color=color, marker=marker, markersize=4, linewidth=1.5, label=label)
        if behind := sorted((training or {}).get(label, ())):
            axes.plot(*zip(*behind), color=line.get_color(), linewidth=0.8, alpha=0.4)
    for number, (label, points) in enumerate((published or {}).items()):
        axes.plot(
            *zip(*sorted(points)), linestyle="none", marker="*", markersize=11, color=f"C{7 + number}", label=label
        )
    for number, (label, level) in enumerate((references or {}).items()):
        axes.axhline(level, linestyle="--", linewidth=1.2, color=f"C{len(runs) + number}", label=label)
    axes.set(title=title, xlabel="environment frames", ylabel="episode return")
    axes.xaxis.set_major_formatter(lambda frames, _: f"{frames / 1000:g}k" if frames >= 1000 else f"{frames:g}")
    _finish(axes)
    return _save(figure, path)


def lines(
    path: Path,
    series: Mapping[str, Sequence[tuple[float, float]]],
    title: str,
    xlabel: str,
    ylabel: str,
    logarithmic: bool = False,
    y_logarithmic: bool = False,
    references: Mapping[str, float] | None = None,
    seeds: Mapping[str, Sequence[Sequence[tuple[float, float]]]] | None = None,
) -> Path:
    """Write a PNG of pairs (x, y) by label; `logarithmic` is the x-axis, `references` are drawn as dashed levels.

    `seeds`: by label, the lines that its own is the mean of, drawn faintly.
    From the eleventh on, lines are dotted, for there are ten colors.
    """
    figure = _figure(7, 4.2 if len(series) <= 8 else 5.2)
    axes = figure.add_subplot()
    for number, (label, points) in enumerate(series.items()):
        marker, style = "o" if len(points) <= _MOST_MARKERS else None, "-" if number < 10 else ":"
        pairs = zip(*sorted(points)) if points else ((), ())
        axes.plot(*pairs, marker=marker, markersize=3, linestyle=style, color=f"C{number % 10}", label=label)
        for one in (seeds or {}).get(label, ()):
            axes.plot(*zip(*sorted(one)), linewidth=0.8, alpha=0.5, linestyle=style, color=f"C{number % 10}")
    for label, level in (references or {}).items():
        axes.axhline(level, linestyle="--", linewidth=1.2, color="gray", label=label)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, xscale="log" if logarithmic else "linear")
    axes.set_yscale("log" if y_logarithmic else "linear")
    _finish(axes)
    return _save(figure, path)


def bars(path: Path, groups: Mapping[str, Mapping[str, float]], title: str, xlabel: str) -> Path:
    """Write a PNG of horizontal bars: a group a label, a bar of one color for each of its entries."""
    entries = list(dict.fromkeys(entry for group in groups.values() for entry in group))
    figure = _figure(7, 1.2 + 0.42 * len(groups))
    axes = figure.add_subplot()
    height = 0.8 / len(entries)
    for number, entry in enumerate(entries):
        places = [row + (number - (len(entries) - 1) / 2) * height for row in range(len(groups))]
        axes.barh(places, [group.get(entry, 0.0) for group in groups.values()], height, label=entry)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.invert_yaxis()
    axes.set(title=title, xlabel=xlabel)
    _finish(axes)
    return _save(figure, path)


def agreement(
    path: Path, series: Mapping[str, Sequence[tuple[float, float]]], title: str, xlabel: str, ylabel: str
) -> Path:
    """Write a PNG of points (x, y) by label, both in one unit, and of the line on which they would agree."""
    figure = _figure(7, 5.6)
    axes = figure.add_subplot()
    for number, (label, points) in enumerate(series.items()):
        marker = "osD^vP*Xph"[number % 10]
        axes.plot(*(zip(*points) if points else ((), ())), linestyle="none", marker=marker, markersize=6, label=label)
    numbers = [number for points in series.values() for point in points for number in point]
    ends = (min(numbers), max(numbers))
    axes.plot(ends, ends, linestyle="--", linewidth=1, color="gray", label="as much as predicted")
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    _finish(axes)
    return _save(figure, path)


def scatter(path: Path, panels: Mapping[str, Float[np.ndarray, "N 2"]], color: Float[np.ndarray, " N"]) -> Path:
    """Write a PNG of clouds of points side by side, titled; the i-th point has the same color in each."""
    figure = _figure(4.2 * len(panels), 4.4)
    for number, (title, points) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, len(panels), number)
        axes.scatter(points[:, 0], points[:, 1], c=color, cmap="hsv", s=4)
        axes.set(title=title, aspect="equal")
        _finish(axes)
    return _save(figure, path)


def mosaic(
    rows: Sequence[Sequence[UInt8[np.ndarray, "H W C"]]], gap: int = 2, gap_after: int = 0
) -> UInt8[np.ndarray, "H2 W2 3"]:
    """Images in rows, enlarged without smoothing to 48 pixels or more; a wide gap after column `gap_after`."""
    factor = _factor(rows[0][0].shape[:2], 48)
    lined = []
    for row in rows:
        tiles = []
        for column, image in enumerate(row, start=1):
            right = 6 * gap if column == gap_after else gap
            large = _enlarge(as_colors(image), factor)
            tiles.append(np.pad(large, ((gap, gap), (gap, right), (0, 0)), constant_values=255))
        lined.append(np.concatenate(tiles, axis=1))
    return np.concatenate(lined)


def image(path: Path, picture: UInt8[np.ndarray, "H W C"]) -> Path:
    """Write one picture as it is."""
    from PIL import Image

    with _whole(path) as partial:
        Image.fromarray(np.ascontiguousarray(as_colors(picture[None])[0])).save(partial, "PNG")
    return Path(path)


def error_plot(path: Path, model_error: Float[np.ndarray, " H"], copy_error: Float[np.ndarray, " H"]) -> Path:
    """Write a PNG of the imagination's error per step beside that of repeating the last frame seen.

    Both are root-mean-square differences of pixels, of 255.
    """
    figure = _figure(7, 4.2)
    axes = figure.add_subplot()
    steps = np.arange(1, len(model_error) + 1)
    axes.plot(steps, model_error, marker="o", markersize=3, label="imagined")
    axes.plot(steps, copy_error, marker="o", markersize=3, linestyle="--", label="last seen frame, repeated")
    axes.set(
        title="Open-loop prediction", xlabel="steps into the imagination", ylabel="root-mean-square error (of 255)"
    )
    axes.set_ylim(bottom=0)
    _finish(axes)
    return _save(figure, path)


def _spread(start: int, stop: int, most: int) -> np.ndarray:
    """At most `most` integers of [start, stop), evenly spread, with both ends."""
    return np.linspace(start, stop - 1, min(most, max(stop - start, 0))).round().astype(int)


def _difference(real: np.ndarray, imagined: np.ndarray) -> np.ndarray:
    return np.abs(real.astype(np.int16) - imagined.astype(np.int16)).astype(np.uint8)


def _framed(image: np.ndarray, seen: bool) -> np.ndarray:
    """The image, enlarged where it is small, in a frame that tells whether the model has seen it."""
    large = _enlarge(image, _factor(image.shape[:2], 128))
    thick = max(2, large.shape[1] // 32)
    framed = np.full((large.shape[0] + 4 * thick, large.shape[1] + 4 * thick, 3), 255, np.uint8)
    framed[thick:-thick, thick:-thick] = _SEEN if seen else _IMAGINED
    framed[2 * thick : -2 * thick, 2 * thick : -2 * thick] = large
    return framed


def _factor(size: tuple[int, ...], least: int) -> int:
    """The whole factor by which both sides reach at least that many pixels."""
    return max(1, -(-least // min(size)))


def _enlarge(image: np.ndarray, factor: int) -> np.ndarray:
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def moments(length: int, most: int) -> list[int]:
    """At most `most` of the steps 0 .. `length` - 1, evenly spread, with both ends."""
    return _spread(0, length, most).tolist()


@contextmanager
def picture(path: Path, width: float, height: float) -> "Iterator[Figure]":
    """A figure of that size in inches to draw on; a PNG at `path` once the block has ended well."""
    figure = _figure(width, height)
    yield figure
    _save(figure, path)


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=130, layout="constrained")


def _finish(axes: "Axes") -> None:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    labels, figure = axes.get_legend_handles_labels()[1], axes.get_figure(root=True)
    if len(labels) > _MOST_LABELS and figure:
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
        figure.set_figwidth(figure.get_figwidth() + 2.2)
    elif labels:
        axes.legend(frameon=False)


def _save(figure: "Figure", path: Path) -> Path:
    with _whole(path) as partial:
        figure.savefig(partial, format="png")
    return Path(path)


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; it becomes `path` when the block has ended well."""
    partial = Path(path).with_name(Path(path).name + ".partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
