"""A comparison as one HTML page with zoomable plots and sortable tables, which needs no network.

The plots are Bokeh's. Of the well-kept libraries whose script comes with their Python package, its script is the
smallest that can zoom and hover: 1.3 MB, where Plotly's is 4.8 MB. Altair's would need a converter of 33 MB.
"""

import importlib.util
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from reverie.errors import UserError
from reverie.evaluation import published, statistics
from reverie.evaluation.comparison import tables
from reverie.evaluation.comparison.figures import color, gray, hours_label, shift_of
from reverie.evaluation.comparison.parts import Comparison, Estimate, Panel

Plot = Any
"""A figure of Bokeh, which is imported late."""

MISSING = "The page needs Bokeh: pip install 'reverie[compare]'."
_SIGNS = ("square", "diamond", "triangle", "inverted_triangle", "plus", "x", "star", "hex")


def available() -> bool:
    """Return whether the plotting library is installed."""
    return importlib.util.find_spec("bokeh") is not None


def html(comparison: Comparison) -> str:
    """Return the page. UserError where the plotting library is missing."""
    if not available():
        raise UserError(MISSING)
    from bokeh.document import Document
    from bokeh.embed import components
    from bokeh.resources import Resources

    plots, document = _plots(comparison), Document()
    with document.models.freeze():  # otherwise every plot that is added visits all of those before it
        for plot in plots.values():
            document.add_root(plot)
    script, places = components(plots, wrap_script=True)
    assert isinstance(places, dict)
    fields = {
        "title": escape(f"{', '.join(comparison.methods)} on {_count(len(comparison.panels), 'task')}"),
        "cells": escape(comparison.cells),
        "how": escape(tables.how(comparison)),
        "remarks": "".join(f"<li>{_code(remark)}</li>" for remark in comparison.remarks),
        "legend": _legend(comparison),
        "sections": _sections(comparison, places),
        "library": "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw).replace("</script", "<\\/script"),
        "plots": script,
    }
    page = Path(__file__).with_name("page.html").read_text()
    head, *rest = page.split("{{")  # split first, so that no text that is put in is searched
    return head + "".join(fields[name] + text for name, text in (part.split("}}", 1) for part in rest))


def _code(text: str) -> str:
    """Return text for the page; what stands between backquotes is code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _legend(comparison: Comparison) -> str:
    """Return a box for each method, which shows and hides it in all plots."""
    tones = {name: color(comparison, name) for name in comparison.methods}
    titles = {f"published {name}": f"{published.title(name)}, published" for name in comparison.references}
    tones |= {f"published {name}": gray(comparison, name) for name in comparison.references}
    return "".join(
        f'<label><input type="checkbox" checked value="{escape(name)}"><span class="swatch" '
        f'style="background:{tone}"></span>{escape(titles.get(name, name))}</label>'
        for name, tone in tones.items()
    )


def _sections(comparison: Comparison, places: Mapping[str, str]) -> str:
    """Return headings, plots and tables in their order."""
    seeds = min((len(score.runs) for score in comparison.scores if score.last), default=0)
    bands = (
        "One seed: no interval is drawn."
        if not any(line.center.low is not None for panel in comparison.panels for line in panel.lines.values())
        else "Shaded: 95 % bootstrap interval of the seeds."
    )
    note = f"{comparison.cells}. {bands} Circles: cells that are not done. Crosses: failed. Drag to zoom."
    parts = [_section("Returns", note, _grid("grid", [places[key] for key in places if key.startswith("task ")]))]
    if comparison.aggregates:
        wide = [places[name] for name in ("efficiency", "profiles", "hours", "improvement") if name in places]
        small = [places[name] for name in statistics.AGGREGATES]
        text = (
            f"{comparison.cells}. Normalized scores over {_count(len(comparison.together), 'task')} at "
            f"{tables.end(comparison)}. "
            + ("Intervals: 95 %, stratified bootstrap over seeds." if seeds > 1 else "No interval without two seeds.")
        )
        parts.append(
            _section("Aggregates", text, _grid("quarters", small) + _aggregates(comparison) + _grid("wide", wide))
        )
    parts.append(_section("Scores", "", _scores(comparison)))
    parts.append(_section("Cells", f"{comparison.cells}.", _cells(comparison)))
    if sources := tables.sources(comparison):
        items = "".join(f"<li>{escape(line)}</li>" for line in sources)
        parts.append(_section("Published scores", "", f'<ul class="note">{items}</ul>'))
    return "".join(parts)


def _section(title: str, note: str, content: str) -> str:
    return f'<h2>{title}</h2><p class="note">{escape(note)}</p>{content}'


def _grid(kind: str, items: Sequence[str]) -> str:
    return f'<div class="{kind}">{"".join(f"<div>{item}</div>" for item in items)}</div>'


def _table(head: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    """Return a sortable table. Numbers are sorted by value; NaN is empty, and last."""
    cells = ["".join(_cell(value) for value in line) for line in lines]
    return (
        '<div class="scroll"><table><thead><tr>'
        + "".join(f"<th><button>{escape(name)}</button></th>" for name in head)
        + f"</tr></thead><tbody>{''.join(f'<tr>{row}</tr>' for row in cells)}</tbody></table></div>"
    )


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f'<td class="number" data-value="{value}">{value:,}</td>'
    if isinstance(value, float):
        shown = "" if np.isnan(value) else value
        return f'<td class="number" data-value="{shown}">{tables.number(value)}</td>'
    return f'<td data-value="{escape(str(value))}">{escape(str(value))}</td>'


def _aggregates(comparison: Comparison) -> str:
    lines: list[list[Any]] = []
    for method, one in comparison.aggregates.items():
        row: list[Any] = [method]
        for index in range(len(statistics.AGGREGATES)):
            low, high = (float("nan") if end is None else float(end[index]) for end in (one.low, one.high))
            row += [float(one.value[index]), low, high]
        lines.append(row)
    nothing = float("nan")
    for name, (median, mean) in comparison.published_aggregates.items():
        gaps = [nothing] * 3
        lines.append([f"{published.title(name)}, published", *gaps, median, *gaps[:2], mean, *gaps[:2], *gaps])
    head = [part for name in statistics.AGGREGATES for part in (name, "low", "high")]
    return _table(["method", *head], lines)


def _scores(comparison: Comparison) -> str:
    head = ["task", "method", "frames", "seeds", "mean", "deviation", "median", "worst", "normalized"]
    lines = [[task, method, round(at), *values] for task, method, at, *values in tables.details(comparison)]
    tasks, nothing = [panel.task for panel in comparison.panels], float("nan")
    for panel in comparison.panels:
        for name, points in panel.published.items():
            for point in points:
                if point.frames <= panel.budget * 1.01 or point is points[0]:
                    deviation = nothing if point.deviation is None else point.deviation
                    scale = panel.scale
                    normal = nothing if scale is None else (point.mean - scale[0]) / (scale[1] - scale[0])
                    row = [tables.short(panel.task, tasks), f"{published.title(name)}, published", point.frames]
                    seeds = nothing if point.seeds is None else point.seeds
                    lines.append([*row, seeds, point.mean, deviation, nothing, nothing, normal])
    return _table(head, lines)


def _cells(comparison: Comparison) -> str:
    head = ["name", "method", "task", "seed", "state", "frames", "of", "hours", "why it failed"]
    lines = [
        [
            run.name, run.method, run.task, run.seed, run.state, run.reached, run.budget,
            float(run.hours[1][-1]) if len(run.hours[1]) else float("nan"), run.sentence,
        ]
        for run in comparison.curves
    ]  # fmt: skip
    return _table(head, lines)


# Plots


def _plots(comparison: Comparison) -> dict[str, Plot]:
    """Return all plots by their place."""
    tasks = [panel.task for panel in comparison.panels]
    plots = {
        f"task {panel.task}": _panel(comparison, panel, tables.short(panel.task, tasks)) for panel in comparison.panels
    }
    if not comparison.aggregates:
        return plots
    for index, name in enumerate(statistics.AGGREGATES):
        plots[name] = _intervals(
            comparison,
            name + (" (less is better)" if "gap" in name else ""),
            {method: _at(one, index) for method, one in comparison.aggregates.items()},
        )
    fractions = dict.fromkeys(comparison.efficiency, comparison.progress)
    above = "fraction of runs above it"
    thresholds = dict.fromkeys(comparison.profiles, comparison.thresholds)
    hours = {method: spent for method, (spent, _) in comparison.hours.items()}
    iqm = "IQM of normalized scores"
    plots["efficiency"] = _lines(
        comparison, "Sample efficiency", comparison.unit, iqm, fractions, comparison.efficiency
    )
    if hours:
        label = hours_label(comparison)
        plots["hours"] = _lines(comparison, "Score against time", label, iqm, hours, comparison.efficiency)
    if thresholds:
        title = "Performance profiles"
        plots["profiles"] = _lines(comparison, title, "normalized score", above, thresholds, comparison.profiles)
    if comparison.improvements:
        named = {f"{a} over {b}": one for (a, b), one in comparison.improvements.items()}
        firsts = [a for a, _ in comparison.improvements]
        plots["improvement"] = _intervals(comparison, "Probability of improvement", named, firsts, level=0.5)
    return plots


def _at(estimate: Estimate, index: int) -> Estimate:
    ends = [None if end is None else np.asarray(end[index]) for end in (estimate.low, estimate.high)]
    return Estimate(np.asarray(estimate.value[index]), *ends)


def _new(title: str, height: int, **options: Any) -> Plot:
    from bokeh.plotting import figure

    plot: Plot = figure(
        title=title, height=height, sizing_mode="stretch_width", tools="box_zoom,pan,wheel_zoom,reset,save",
        active_drag="box_zoom", active_scroll=None, **options,
    )  # fmt: skip
    plot.toolbar.autohide, plot.toolbar.logo = True, None
    plot.title.text_font_size = "13px"
    plot.axis.axis_label_text_font_size = plot.axis.major_label_text_font_size = "11px"
    plot.axis.axis_label_text_font_style = "normal"
    plot.axis.minor_tick_line_color = None
    plot.grid.grid_line_alpha = 0.5
    return plot


def _frames_axis(plot: Plot) -> None:
    from bokeh.models import NumeralTickFormatter

    plot.xaxis.formatter = NumeralTickFormatter(format="0,0")
    plot.xaxis.ticker.desired_num_ticks = 4


def _hover(plot: Plot, renderers: Sequence[Any], x: str, y: str) -> None:
    from bokeh.models import HoverTool

    tooltips = [("", "@who"), (x, "@x{0,0.[00]}"), (y, "@y{0,0.[00]}")]
    plot.add_tools(HoverTool(renderers=list(renderers), tooltips=tooltips, visible=False))


def _panel(comparison: Comparison, panel: Panel, title: str) -> Plot:
    plot = _new(title, 250, x_range=(0, panel.budget * 1.05))
    _frames_axis(plot)
    shown: list[Any] = []
    for method, line in panel.lines.items():
        tone = {"color": color(comparison, method), "tags": [method]}
        if line.center.low is not None and line.center.high is not None:
            plot.varea(line.frames, line.center.low, line.center.high, fill_alpha=0.18, **tone)
        for seed in line.seeds:
            who = f"{method}, seed {seed.run.seed}"
            if len(line.seeds) > 1 or seed.run.state == "failed":
                source = _source(seed.frames, seed.scores, who)
                shown.append(plot.line("x", "y", source=source, line_alpha=0.4, line_width=1, **tone))
            if seed.run.state != "done" and len(seed.frames):
                source = _source(seed.frames[-1:], seed.scores[-1:], f"{who}, {seed.run.state}")
                sign = "x" if seed.run.state == "failed" else "circle"
                shown.append(
                    plot.scatter("x", "y", source=source, marker=sign, size=8, fill_color="white", **_line(tone))
                )
        if len(line.frames):
            who = f"{method}, {comparison.center} of {_count(len(line.seeds), 'seed')}"
            source = _source(line.frames, line.center.value, who)
            shown.append(plot.line("x", "y", source=source, line_width=2.2, **tone))
            if len(line.frames) < 4:
                shown.append(plot.scatter("x", "y", source=source, size=5, **tone))
    shown += _published(plot, comparison, panel)
    if shown:
        _hover(plot, shown, "frames", "return")
    else:
        plot.title.text += " (no return yet)"
    return plot


def _line(tone: Mapping[str, Any]) -> dict[str, Any]:
    return {"line_color": tone["color"], "line_width": 1.5, "tags": tone["tags"]}


def _source(x: np.ndarray, y: np.ndarray, who: str | Sequence[str]) -> Any:
    from bokeh.models import ColumnDataSource

    names = [who] * len(x) if isinstance(who, str) else list(who)
    return ColumnDataSource({"x": np.asarray(x, np.float32), "y": np.asarray(y, np.float32), "who": names})


def _published(plot: Plot, comparison: Comparison, panel: Panel) -> list[Any]:
    """Draw published scores at their budgets, or the first one as a line where all are later."""
    from bokeh.models import Span

    shown: list[Any] = []
    for number, (name, points) in enumerate(panel.published.items()):
        shift = shift_of(panel, number)
        tags, tone = [f"published {name}"], gray(comparison, name)
        inside = [point for point in points if point.frames <= panel.budget * 1.01]
        if not inside:
            line: dict[str, Any] = {
                "location": points[0].mean,
                "dimension": "width",
                "line_dash": "dotted",
                "line_color": tone,
            }
            plot.add_layout(Span(**line, tags=tags))
            continue
        x, y = np.array([point.frames + shift for point in inside]), np.array([point.mean for point in inside])
        bars = np.array([point.deviation or 0.0 for point in inside])
        plot.segment(x, y - bars, x, y + bars, color=tone, line_width=1.2, tags=tags)
        who = [f"{published.title(name)}, published" + (f", ± {tables.number(bar)}" if bar else "") for bar in bars]
        sign = _SIGNS[comparison.references.index(name) % len(_SIGNS)]
        shown.append(plot.scatter("x", "y", source=_source(x, y, who), marker=sign, size=8, color=tone, tags=tags))
    return shown


def _lines(
    comparison: Comparison,
    title: str,
    x_label: str,
    y_label: str,
    xs: Mapping[str, np.ndarray],
    lines: Mapping[str, Estimate],
) -> Plot:
    """Return a plot with a line and its band for each method."""
    plot, shown = _new(title, 330, x_axis_label=x_label, y_axis_label=y_label), []
    if x_label.endswith("frames"):
        _frames_axis(plot)
    for method, x in xs.items():
        line, tone = lines[method], {"color": color(comparison, method), "tags": [method]}
        if line.low is not None and line.high is not None:
            plot.varea(x, line.low, line.high, fill_alpha=0.18, **tone)
        shown.append(plot.line("x", "y", source=_source(x, line.value, method), line_width=2.2, **tone))
    _hover(plot, shown, x_label, y_label)
    return plot


def _intervals(
    comparison: Comparison,
    title: str,
    rows: Mapping[str, Estimate],
    methods: Sequence[str] | None = None,
    level: float | None = None,
) -> Plot:
    """Return a plot with a row for each estimate, colored as its method."""
    from bokeh.models import Span

    names = list(rows)
    plot = _new(title, 90 + 32 * len(names), y_range=names[::-1])
    if level is not None:
        plot.add_layout(Span(location=level, dimension="height", line_color="gray", line_dash="dashed"))
        plot.x_range.start, plot.x_range.end = -0.02, 1.02
    for name, method in zip(names, methods or names):
        one, tone = rows[name], {"color": color(comparison, method), "tags": [method]}
        if one.low is not None and one.high is not None:
            plot.hbar([name], left=[one.low], right=[one.high], height=0.55, fill_alpha=0.35, line_alpha=0, **tone)
        plot.scatter([one.value], [name], marker="dash", angle=np.pi / 2, size=17, line_width=3, **tone)
    return plot
