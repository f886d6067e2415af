"""Plots of numbers: series in, one PNG out.

Every function writes its file whole or not at all. Figures are drawn with matplotlib's object interface, so that
nothing is kept between calls and no display is needed.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Points = Sequence[tuple[float, float]]
"""Pairs (x, y), in any order."""

DPI = 130
_COLORS = 10
_MARKERS = "osD^vP*Xph"
_MOST_SEARCHED = 10_000  # points, among which a free place for the legend is looked for
_MOST_LABELS = 6  # more would hide the lines: the legend goes beside the axes
_MOST_MARKERS = 60  # more would hide the line they lie on


@dataclass(frozen=True)
class Style:
    """The words and the axes of a plot."""

    title: str = ""
    xlabel: str = ""
    ylabel: str = ""
    log_x: bool = False
    log_y: bool = False
    from_zero: bool = False
    """The y-axis begins at 0."""
    joined: bool = True
    """Points of a label are joined by a line in the order of x; otherwise each label has a marker of its own."""
    diagonal: str = ""
    """The label of the line y = x, which is drawn where it has one."""


def plot(
    path: Path,
    series: Mapping[str, Points],
    style: Style,
    *,
    faint: Mapping[str, Sequence[Points]] | None = None,
    references: Mapping[str, float] | None = None,
    stars: Mapping[str, Points] | None = None,
) -> Path:
    """Write a PNG of y against x, a line or a cloud of points for each label. Returns `path`.

    Labels that differ only after `, seed` share a color. Lines are dotted from the eleventh color on.

    Args:
        faint: thin lines behind those of a label, such as its seeds or its training episodes.
        references: levels, drawn as dashed lines.
        stars: points without a line, such as published results.
    """
    figure = new_figure(7, 5.2 if len(series) > 8 or style.diagonal else 4.2)
    axes = figure.add_subplot()
    groups = list(dict.fromkeys(label.partition(", seed")[0] for label in series))
    for label, points in series.items():
        number = groups.index(label.partition(", seed")[0])
        color, line = f"C{number % _COLORS}", ("-" if number < _COLORS else ":") if style.joined else "none"
        for thin in (faint or {}).get(label, ()):
            axes.plot(*_columns(thin), linewidth=0.8, alpha=0.45, linestyle=line, color=color)
        marker, size = ("o" if len(points) <= _MOST_MARKERS else None), 3.5
        if not style.joined:
            marker, size = _MARKERS[number % len(_MARKERS)], 6
        axes.plot(*_columns(points), linestyle=line, marker=marker, markersize=size, color=color, label=label)
    for number, (label, points) in enumerate((stars or {}).items(), start=7):
        axes.plot(*_columns(points), linestyle="none", marker="*", markersize=11, color=f"C{number}", label=label)
    for label, level in (references or {}).items():
        axes.axhline(level, linestyle="--", linewidth=1.2, color="gray", label=label)
    numbers = [number for points in series.values() for point in points for number in point]
    if style.diagonal and numbers:
        ends = (min(numbers), max(numbers))
        axes.plot(ends, ends, linestyle="--", linewidth=1, color="gray", label=style.diagonal)
    axes.set(title=style.title, xlabel=style.xlabel, ylabel=style.ylabel)
    axes.set(xscale="log" if style.log_x else "linear", yscale="log" if style.log_y else "linear")
    if style.from_zero:
        axes.set_ylim(bottom=0)
    if not style.log_x and axes.get_xlim()[1] >= 10_000:
        axes.xaxis.set_major_formatter(lambda x, _: f"{x / 1000:g}k" if x else "0")
    finish(axes)
    return save(figure, path)


def bars(path: Path, groups: Mapping[str, Mapping[str, float]], title: str, xlabel: str) -> Path:
    """Write a PNG of horizontal bars: a group a label, a bar of one color for each of its entries."""
    entries = list(dict.fromkeys(entry for group in groups.values() for entry in group))
    figure = new_figure(7, 1.2 + 0.42 * len(groups))
    axes = figure.add_subplot()
    height = 0.8 / len(entries)
    for number, entry in enumerate(entries):
        places = [row + (number - (len(entries) - 1) / 2) * height for row in range(len(groups))]
        axes.barh(places, [group.get(entry, 0.0) for group in groups.values()], height, label=entry)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.invert_yaxis()
    axes.set(title=title, xlabel=xlabel)
    finish(axes)
    return save(figure, path)


def scatter(path: Path, panels: Mapping[str, Float[np.ndarray, "N 2"]], color: Float[np.ndarray, " N"]) -> Path:
    """Write a PNG of clouds of points side by side, titled; the i-th point has the same color in each."""
    figure = new_figure(4.2 * len(panels), 4.4)
    for number, (title, points) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, len(panels), number)
        axes.scatter(points[:, 0], points[:, 1], c=color, cmap="hsv", s=4)
        axes.set(title=title, aspect="equal")
        finish(axes)
    return save(figure, path)


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of that size in inches, of 130 pixels each."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def finish(axes: "Axes") -> None:
    """Add a grid and, where there are labels, a legend: beside the axes where there are many."""
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    labels, figure = axes.get_legend_handles_labels()[1], axes.get_figure(root=True)
    if len(labels) > _MOST_LABELS and figure:
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
        figure.set_figwidth(figure.get_figwidth() + 2.2)
    elif labels:
        points = sum(np.size(line.get_xdata()) for line in axes.lines)  # matplotlib's search takes seconds among many
        axes.legend(frameon=False, loc="best" if points <= _MOST_SEARCHED else "upper left")


def save(figure: "Figure", path: Path) -> Path:
    """Write a PNG whole or not at all. Returns `path`."""
    with whole_file(path) as partial:
        figure.savefig(partial, format="png")
    return Path(path)


def pixels(figure: "Figure") -> UInt8[np.ndarray, "h w 3"]:
    """Draw the figure as an RGB image."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3]


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; it becomes `path` when the block has ended well."""
    partial = Path(path).with_name(Path(path).name + ".partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _columns(points: Points) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """x and y apart, in the order of x."""
    ordered = sorted(points)
    return tuple(x for x, _ in ordered), tuple(y for _, y in ordered)
