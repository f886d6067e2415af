"""Draw a comparison with matplotlib: a panel for each task, and the aggregates that readers of papers expect."""

import io
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reverie.evaluation import published, statistics
from reverie.evaluation.comparison import tables
from reverie.evaluation.comparison.parts import Comparison, Estimate, Line, Panel, Seed
from reverie.evaluation.figures import new_figure
from reverie.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#e377c2", "#bcbd22", "#8c564b", "#7f7f7f")
GRAYS = ("#111111", "#8c6d31", "#5b5b9c", "#707070", "#2f7d6c", "#a0527a")
MARKERS = "sD^vPX*p"


def color(comparison: Comparison, method: str) -> str:
    """Return the color of a method, the same in every figure."""
    return COLORS[comparison.methods.index(method) % len(COLORS)]


def gray(comparison: Comparison, name: str) -> str:
    """Return the shade of a published method."""
    return GRAYS[comparison.references.index(name) % len(GRAYS)]


def marker(comparison: Comparison, name: str) -> str:
    """Return the marker of a published method."""
    return MARKERS[comparison.references.index(name) % len(MARKERS)]


def shift_of(panel: Panel, number: int) -> float:
    """Return by how many frames a published method is moved aside, so that markers at one budget stay apart."""
    return (number - (len(panel.published) - 1) / 2) * 0.012 * panel.budget


def save(figure: "Figure", path: Path) -> Path:
    """Write a PNG or an SVG, whole or not at all. Return `path`."""
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:], metadata={"Date": None} if path.suffix == ".svg" else None)
    figure.set_layout_engine("none")  # found once: the next format takes the same places
    atomic_write(path, content.getvalue())
    return path


def curves(comparison: Comparison) -> "Figure":
    """Draw a panel for each task: seeds thin, their center and its band, published scores at their budgets."""
    panels = comparison.panels
    columns = columns_of(len(panels))
    lines = math.ceil(len(panels) / columns)
    width, height = (2.7, 2.1) if len(panels) > 6 else (3.4, 2.6)
    figure = new_figure(max(6.4, columns * width), max(4.2, lines * height + 1.0))
    axes = figure.subplots(lines, columns, squeeze=False)
    tasks = [panel.task for panel in panels]
    for panel, place in zip(panels, axes.flat):
        _panel(place, comparison, panel)
        place.set_title(tables.short(panel.task, tasks), fontsize=9)
    for place in axes.flat[len(panels) :]:
        place.set_visible(False)
    for number, place in enumerate(axes.flat[: len(panels)]):
        if number + columns >= len(panels):
            place.set_xlabel("environment frames", fontsize=8)
        if number % columns == 0:
            place.set_ylabel("episode return", fontsize=8)
    title = f"Return, {comparison.center} of seeds"
    return _titled(figure, comparison, title, _signs(comparison), _handles(comparison, with_published=True))


def columns_of(count: int) -> int:
    """Return how many panels stand side by side: as many as leave few places empty."""
    if count <= 4:
        return {4: 2}.get(count, count)
    choice = range(3, 6) if count <= 12 else range(4, 6) if count <= 30 else range(6, 9)
    return min(choice, key=lambda columns: (-count % columns, -columns))


def _signs(comparison: Comparison) -> str:
    """Return the words for the signs in the panels that are there."""
    lines = [line for panel in comparison.panels for line in panel.lines.values()]
    states = {seed.run.state for line in lines for seed in line.seeds}
    words = []
    if any(line.center.low is not None for line in lines):
        words.append("Shaded: 95 % bootstrap interval of the seeds.")
    else:
        words.append("One seed: no interval.")
    if states & {"running", "stopped", "new"}:
        words.append("○: not done yet.")
    if "failed" in states:
        words.append("×: failed.")
    if comparison.references:
        words.append("Markers: published, with standard deviation.")
    if any(points[0].frames > p.budget * 1.01 for p in comparison.panels for points in p.published.values()):
        words.append("Dotted: published at a later budget.")
    return " ".join(words)


def _panel(axes: "Axes", comparison: Comparison, panel: Panel) -> None:
    for method, line in panel.lines.items():
        tone = color(comparison, method)
        for seed in line.seeds:
            if len(line.seeds) > 1 or seed.run.state == "failed":
                axes.plot(seed.frames, seed.scores, color=tone, linewidth=0.6, alpha=0.4)
            _end(axes, seed, tone)
        if len(line.frames):
            axes.plot(line.frames, line.center.value, color=tone, linewidth=1.7, marker=_dot(line), markersize=3)
            if line.center.low is not None and line.center.high is not None:
                axes.fill_between(line.frames, line.center.low, line.center.high, color=tone, alpha=0.18, linewidth=0)
    if not any(len(seed.frames) for line in panel.lines.values() for seed in line.seeds):
        axes.text(0.5, 0.5, "no return yet", transform=axes.transAxes, ha="center", va="center", color="gray")
    _published(axes, comparison, panel)
    axes.set_xlim(0, panel.budget * 1.04)
    axes.xaxis.set_major_formatter(lambda x, _: tables.frames(x) if x else "0")
    axes.locator_params(axis="x", nbins=4)
    axes.locator_params(axis="y", nbins=5)
    _limit(axes, panel)
    _plain(axes)


def _limit(axes: "Axes", panel: Panel) -> None:
    """Fit the y-axis to curves and published means. Long bars of a deviation are cut off."""
    shown = [seed.scores for line in panel.lines.values() for seed in line.seeds]
    shown += [np.array([point.mean for point in points]) for points in panel.published.values()]
    values = np.concatenate(shown) if shown else np.zeros(0)
    if len(values):
        room = 0.06 * max(float(np.ptp(values)), 1e-3 * float(abs(values).max()), 1e-9)
        axes.set_ylim(float(values.min()) - room, float(values.max()) + room)


def _dot(line: Line) -> str | None:
    """Return a marker for a line that would be hard to see, because it has few points."""
    return "o" if len(line.frames) < 4 else None


def _end(axes: "Axes", seed: Seed, tone: str) -> None:
    """Mark the end of a run that is not done."""
    if seed.run.state == "done" or not len(seed.frames):
        return
    failed = seed.run.state == "failed"
    axes.plot(
        seed.frames[-1:], seed.scores[-1:], linestyle="none", marker="x" if failed else "o", markersize=5,
        color=tone, markerfacecolor="white", markeredgewidth=1.2, zorder=4,
    )  # fmt: skip


def _published(axes: "Axes", comparison: Comparison, panel: Panel) -> None:
    """Draw published scores at their budgets; where all are later than the panel, the first one as a dotted line."""
    for number, (name, points) in enumerate(panel.published.items()):
        tone, shift = gray(comparison, name), shift_of(panel, number)
        inside = [point for point in points if point.frames <= panel.budget * 1.01]
        if inside:
            x, y = [point.frames + shift for point in inside], [point.mean for point in inside]
            bars = [float("nan") if point.deviation is None else point.deviation for point in inside]
            sign = {"color": tone, "marker": marker(comparison, name), "markersize": 4, "linestyle": "none"}
            axes.errorbar(x, y, bars, elinewidth=0.9, capsize=1.5, zorder=5, **sign)
        else:
            axes.axhline(points[0].mean, color=tone, linestyle=":", linewidth=1.1)
            place = {"ha": "right", "va": "bottom", "fontsize": 6, "color": tone}
            axes.text(panel.budget, points[0].mean, f"at {tables.frames(points[0].frames)}", **place)


def aggregates(comparison: Comparison) -> "Figure | None":
    """Draw the four aggregates of each method with their intervals. None without aggregates."""
    if not comparison.aggregates:
        return None
    methods, theirs = list(comparison.aggregates), list(comparison.published_aggregates)
    rows = len(methods) + len(theirs)
    figure = new_figure(9.5, 1.9 + 0.32 * rows)
    axes = figure.subplots(1, 4, sharey=True)
    for index, (place, name) in enumerate(zip(axes, statistics.AGGREGATES)):
        for row, method in enumerate(methods):
            one, tone = comparison.aggregates[method], color(comparison, method)
            if one.low is not None and one.high is not None:
                place.barh(row, one.high[index] - one.low[index], 0.6, one.low[index], color=tone, alpha=0.35)
            place.plot([one.value[index]], [row], marker="|", markersize=14, markeredgewidth=2, color=tone)
        for row, name_of in enumerate(theirs, start=len(methods)):
            value = dict(zip(("median", "mean"), comparison.published_aggregates[name_of])).get(name)
            if value is not None:
                place.plot([value], [row], marker=marker(comparison, name_of), color=gray(comparison, name_of))
        place.set_title(name + (" (less is better)" if "gap" in name else ""), fontsize=9)
        place.set_yticks(range(rows), [*methods, *(f"{published.title(one)}, published" for one in theirs)], fontsize=8)
        place.set_ylim(rows - 0.5, -0.5)
        place.locator_params(axis="x", nbins=4)
        place.set_xlabel("normalized score", fontsize=8)
        place.use_sticky_edges = False
        place.margins(x=0.12)
        _plain(place)
        place.tick_params(left=False)
    return _titled(figure, comparison, _over("Aggregates", comparison), _intervals(comparison.aggregates))


def efficiency(comparison: Comparison) -> "Figure | None":
    """Draw the IQM against frames. None without aggregates."""
    if not comparison.efficiency:
        return None
    figure, axes = _single()
    for method, line in comparison.efficiency.items():
        _banded(axes, comparison.progress, line, color(comparison, method))
    axes.set_xlabel(comparison.unit, fontsize=9)
    axes.set_ylabel("IQM of normalized scores", fontsize=9)
    axes.set_xlim(left=0)
    if "frames" in comparison.unit.split()[-1:]:
        axes.xaxis.set_major_formatter(lambda x, _: tables.frames(x) if x else "0")
    return _lines(figure, comparison, "Sample efficiency", comparison.efficiency)


def profiles(comparison: Comparison) -> "Figure | None":
    """Draw the performance profiles. None without aggregates."""
    if not comparison.profiles:
        return None
    figure, axes = _single()
    for method, line in comparison.profiles.items():
        _banded(axes, comparison.thresholds, line, color(comparison, method))
    axes.set_xlabel("normalized score τ", fontsize=9)
    axes.set_ylabel("fraction of runs with a score above τ", fontsize=9)
    axes.set_ylim(-0.02, 1.02)
    return _lines(figure, comparison, "Performance profiles", comparison.profiles)


def improvements(comparison: Comparison) -> "Figure | None":
    """Draw the probability of improvement of each pair of methods. None without two methods that have aggregates."""
    pairs = comparison.improvements
    if not pairs:
        return None
    figure = new_figure(6.6, 1.9 + 0.34 * len(pairs))
    axes = figure.add_subplot()
    for row, ((better, _), one) in enumerate(pairs.items()):
        tone = color(comparison, better)
        if one.low is not None and one.high is not None:
            axes.barh(row, one.high - one.low, 0.6, one.low, color=tone, alpha=0.35)
        axes.plot([one.value], [row], marker="|", markersize=14, markeredgewidth=2, color=tone)
    axes.axvline(0.5, color="gray", linewidth=1, linestyle="--")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    axes.set_yticks(range(len(pairs)), [f"{a} over {b}" for a, b in pairs], fontsize=8)
    axes.set_xlabel("probability that a run of the first is better than one of the second", fontsize=8)
    _plain(axes)
    return _titled(figure, comparison, _over("Probability of improvement", comparison), _intervals(pairs))


def hours(comparison: Comparison) -> "Figure | None":
    """Draw the IQM against hours of a core or GPU. None where logs tell no time."""
    if not comparison.hours:
        return None
    figure, axes = _single()
    for method, (spent, _) in comparison.hours.items():
        _banded(axes, spent, comparison.efficiency[method], color(comparison, method))
    axes.set_xlabel(hours_label(comparison), fontsize=9)
    axes.set_ylabel("IQM of normalized scores", fontsize=9)
    axes.set_xlim(left=0)
    return _lines(figure, comparison, "Score against time", comparison.efficiency)


def hours_label(comparison: Comparison) -> str:
    """Return what the hours are of."""
    processors = {method: processor for method, (_, processor) in comparison.hours.items()}
    if len(set(processors.values())) == 1:
        return f"{next(iter(processors.values()))} hours of a run"
    return "hours of a run: " + ", ".join(f"{processor} for {method}" for method, processor in processors.items())


FIGURES: Mapping[str, Callable[[Comparison], "Figure | None"]] = {
    "curves": curves,
    "aggregates": aggregates,
    "efficiency": efficiency,
    "profiles": profiles,
    "improvement": improvements,
    "hours": hours,
}
"""By the name of the file."""


def _over(title: str, comparison: Comparison) -> str:
    count = len(comparison.together)
    return f"{title} over {count} task{'s' if count > 1 else ''} at {tables.end(comparison)}"


def _intervals(estimates: Mapping[Any, Estimate]) -> str:
    """Return what the bands are, or why there is none."""
    some = [one.low is not None for one in estimates.values()]
    if all(some):
        return "Shaded: 95 % interval, stratified bootstrap."
    return "Shaded: 95 % interval, where every task has two seeds." if any(some) else "One seed: no interval."


def _lines(figure: "Figure", comparison: Comparison, title: str, lines: Mapping[str, Estimate]) -> "Figure":
    handles = _handles(comparison, with_published=False)
    return _titled(figure, comparison, _over(title, comparison), _intervals(lines), handles)


def _single() -> "tuple[Figure, Axes]":
    figure = new_figure(6.4, 4.6)
    axes = figure.add_subplot()
    _plain(axes)
    return figure, axes


def _banded(axes: "Axes", x: np.ndarray, line: Estimate, tone: str) -> None:
    axes.plot(x, line.value, color=tone, linewidth=1.8)
    if line.low is not None and line.high is not None:
        axes.fill_between(x, line.low, line.high, color=tone, alpha=0.18, linewidth=0)


def _plain(axes: "Axes") -> None:
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7.5, length=2.5)


def _handles(comparison: Comparison, with_published: bool) -> list[Any]:
    """Return the signs of methods for a legend."""
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=color(comparison, name), linewidth=2, label=name) for name in comparison.methods]
    for name in comparison.references if with_published else ():
        sign = {"color": gray(comparison, name), "marker": marker(comparison, name), "markersize": 5}
        lines.append(Line2D([], [], linestyle="none", label=f"{published.title(name)}, published", **sign))
    return lines


def _titled(figure: "Figure", comparison: Comparison, title: str, signs: str, handles: Sequence[Any] = ()) -> "Figure":
    """Add a title, a legend, and below the figure how many cells it shows and how it is to be read."""
    width, height = figure.get_size_inches()
    text = textwrap.wrap(f"{comparison.cells}. {signs} {tables.how(comparison)}", int(width * 21))
    columns = max(2, int(width / 2))
    top = (0.3 + (0.2 * math.ceil(len(handles) / columns) if handles else 0)) / height
    bottom = (0.12 + 0.12 * len(text)) / height
    figure.text(0.5, 1 - 0.07 / height, title, fontsize=10.5, va="top", ha="center")
    figure.text(0.06 / width, 0.05 / height, "\n".join(text), fontsize=6.5, color="#555555", va="bottom", ha="left")
    if handles:
        place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, 1 - 0.24 / height), "borderaxespad": 0}
        figure.legend(handles=handles, ncols=min(len(handles), columns), frameon=False, fontsize=8, **place)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(rect=(0, bottom, 1, 1 - bottom - top))  # pyrefly: ignore
    return figure
