"""Plots of numbers: series in, one PNG out.

Figures use matplotlib's object interface. It needs no display, and keeps nothing between calls.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

from reverie.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Points = Sequence[tuple[float, float]]
"""Pairs (x, y), in any order."""

DPI = 130
_COLORS = 10
_MARKERS = "osD^vP*Xph"
_MOST_SEARCHED = 10_000  # points; among more, matplotlib searches seconds for the legend's place
_MOST_LABELS = 6  # more would hide the lines: the legend goes beside the axes
_MOST_MARKERS = 60  # more would hide the line


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
    """A line joins the points of a label in the order of x. Without it each label has a marker of its own."""
    diagonal: str = ""
    """The label of the line y = x. Empty draws no such line."""


def plot(
    path: Path,
    series: Mapping[str, Points],
    style: Style,
    *,
    faint: Mapping[str, Sequence[Points]] | None = None,
    references: Mapping[str, float] | None = None,
    stars: Mapping[str, Points] | None = None,
) -> Path:
    """Write a PNG of y against x, a line or a cloud of points for each label. Return `path`.

    Labels that differ only after `, seed` share a color. Lines are dotted from the eleventh color on.

    - `faint`: thin lines behind the line of a label, such as its seeds or its training episodes.
    - `references`: levels, drawn as dashed lines.
    - `stars`: points without a line, such as published results.
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


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure. Width and height are in inches of `DPI` pixels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def finish(axes: "Axes") -> None:
    """Add a grid, and a legend if there are labels. Many labels stand beside the axes."""
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    labels, figure = axes.get_legend_handles_labels()[1], axes.get_figure(root=True)
    if len(labels) > _MOST_LABELS and figure:
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
        figure.set_figwidth(figure.get_figwidth() + 2.2)
    elif labels:
        points = sum(np.size(line.get_xdata()) for line in axes.lines)
        axes.legend(frameon=False, loc="best" if points <= _MOST_SEARCHED else "upper left")


def save(figure: "Figure", path: Path) -> Path:
    """Write a PNG whole or not at all. Return `path`."""
    png = io.BytesIO()
    figure.savefig(png, format="png")
    atomic_write(path, png.getvalue())
    return path


def pixels(figure: "Figure") -> UInt8[np.ndarray, "h w 3"]:
    """Draw the figure as an RGB image."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3]


def _columns(points: Points) -> Float[np.ndarray, "2 N"]:
    """Return x and y, in the order of x."""
    return np.array(sorted(points), float).reshape(-1, 2).T
