"""A comparison as Markdown, as rows for other programs, and the words that figures and the page share."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from reverie.evaluation import published, statistics
from reverie.evaluation.comparison.aggregates import near
from reverie.evaluation.comparison.parts import Comparison, Estimate, Panel, Score


def rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the returns of each run, in the form of DreamerV3's score files: task, method, seed, xs (frames), ys."""
    return [
        {"task": run.task, "method": run.method, "seed": run.seed, "xs": frames.tolist(), "ys": returns.tolist()}
        for run in comparison.curves
        for frames, returns in [run.returns[comparison.kind]]
        if len(frames)
    ]


def number(value: float, like: float | None = None) -> str:
    """Return a number with as many digits as a reader can use, or as the number `like` has."""
    if not np.isfinite(value):
        return "–"
    size = abs(value if like is None else like)
    digits = 0 if size >= 10_000 else 1 if size >= 10 else 2
    return f"{value:,.{digits}f}".replace("-", "−")


def short(task: str, tasks: Sequence[str]) -> str:
    """Return a task without family and version, where that stays clear: `walker-walk`."""
    ends = [_end(other) for other in tasks]
    return _end(task) if ends.count(_end(task)) == 1 else task


def _end(task: str) -> str:
    name = task.rpartition("/")[2].rpartition(":")[2]
    return name.rpartition("-v")[0] or name


def frames(count: float) -> str:
    """Return frames in short: `500k`, `1M`."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return f"{count:.0f}"


def interval(estimate: Estimate, index: Any = ...) -> str:
    """Return a number with its interval."""
    value = number(float(estimate.value[index]))
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} [{number(float(estimate.low[index]))}, {number(float(estimate.high[index]))}]"


def how(comparison: Comparison) -> str:
    """Return one sentence on what a score is."""
    windows = sorted({panel.window for panel in comparison.panels})
    width = frames(windows[0]) if len(windows) == 1 else f"{frames(windows[0])} to {frames(windows[-1])}"
    kind = "training episodes" if comparison.kind == "training" else "evaluations"
    return f"A score is the mean return of the {kind} of the last {width} frames, or of the latest one."


def unfinished(comparison: Comparison, score: Score) -> bool:
    """Return whether a seed of this score has not finished its budget."""
    mine = [run for run in comparison.curves if (run.method, run.task) == (score.method, score.task)]
    return any(run.state != "done" for run in mine)


def markdown(comparison: Comparison) -> str:
    """Return the tables: scores beside published ones, aggregates, and the details of each task."""
    parts = [
        "# Comparison",
        f"{comparison.cells}. {how(comparison)} `±` is the standard deviation over seeds (of the sample). `†` marks "
        "cells that are not done.",
        *(f"- {remark}" for remark in comparison.remarks),
        "## Scores",
        table(*_scores(comparison)),
    ]
    if comparison.aggregates:
        count = len(comparison.together)
        tasks = f"{count} task{'s' if count > 1 else ''}"
        parts += [
            "## Aggregates",
            f"Normalized scores over {tasks} at {end(comparison)}, with 95 % intervals by the stratified bootstrap "
            "over seeds (Agarwal et al. 2021). Published means give median and mean alone.",
            _aggregates(comparison),
        ]
    if comparison.improvements:
        lines = [[a, b, interval(estimate)] for (a, b), estimate in comparison.improvements.items()]
        parts += ["## Probability that A is better than B", table(["A", "B", "P(A > B)"], lines)]
    parts += ["## Details", "Scores at the end.", _details(comparison)]
    if comparison.references:
        parts += ["## Published scores", *(f"- {line}" for line in sources(comparison))]
    return "\n\n".join(parts).replace("\n\n- ", "\n- ") + "\n"


def end(comparison: Comparison) -> str:
    """Return in words where scores are compared."""
    cuts = {panel.cut for panel in comparison.panels if panel.cut is not None and panel.task in comparison.together}
    return f"{next(iter(cuts)):,.0f} frames" if len(cuts) == 1 else "the same part of each budget"


def sources(comparison: Comparison) -> list[str]:
    """Return where the published scores are from."""
    kinds = dict.fromkeys(published.benchmark(run.env) for run in comparison.curves)
    found = [(name, kind) for name in comparison.references for kind in kinds if kind and published.source(name, kind)]
    return [f"{published.title(name)}, {kind}: {published.source(name, kind)}." for name, kind in found]


def beside(panel: Panel, name: str, at: float) -> str:
    """Return a published score near some frames; else, in parentheses, the one at the nearest budget."""
    points = panel.published.get(name, ())
    point = near(points, at)
    if point is None:
        other = min(points, key=lambda point: abs(point.frames - at), default=None)
        return "–" if other is None else f"({number(other.mean)} at {frames(other.frames)})"
    return number(point.mean) + ("" if point.deviation is None else f" ± {number(point.deviation, point.mean)}")


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *lines))


def plain(comparison: Comparison) -> str:
    """Return the scores for a terminal, in columns."""
    head, lines = _scores(comparison, only_last=True)
    widths = [max(map(len, column)) for column in zip(head, *lines)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in (head, *lines))


def _scores(comparison: Comparison, only_last: bool = False) -> tuple[list[str], list[list[str]]]:
    tasks, lines = [panel.task for panel in comparison.panels], []
    for panel in comparison.panels:
        mine = [score for score in comparison.scores if score.task == panel.task and (score.last or not only_last)]
        for at in sorted({score.frames for score in mine}):
            here = {score.method: score for score in mine if score.frames == at}
            own = [_score(comparison, here.get(method)) for method in comparison.methods]
            theirs = [beside(panel, name, at) for name in comparison.references]
            lines.append([short(panel.task, tasks), f"{at:,.0f}", *own, *theirs])
        if not mine:
            lines.append(
                [short(panel.task, tasks), "–", *["–"] * (len(comparison.methods) + len(comparison.references))]
            )
    titles = [f"{published.title(name)}, published" for name in comparison.references]
    return ["task", "frames", *comparison.methods, *titles], lines


def _score(comparison: Comparison, score: Score | None) -> str:
    if score is None:
        return "–"
    mark = "†" if unfinished(comparison, score) else ""
    mean = float(score.runs.mean())
    return number(mean) + mark + ("" if score.deviation is None else f" ± {number(score.deviation, mean)}")


def _aggregates(comparison: Comparison) -> str:
    lines = [
        [method, *(interval(estimate, index) for index in range(4))]
        for method, estimate in comparison.aggregates.items()
    ]
    for name, (median, mean) in comparison.published_aggregates.items():
        lines.append([f"{published.title(name)}, published", "–", number(median), number(mean), "–"])
    return table(["method", *statistics.AGGREGATES], lines)


def _details(comparison: Comparison) -> str:
    head = ["task", "method", "frames", "seeds", "mean", "deviation", "median", "worst", "normalized"]
    lines = [
        [task, method, f"{at:,.0f}", str(seeds), *(number(value) for value in values)]
        for task, method, at, seeds, *values in details(comparison, only_last=True)
    ]
    return table(head, lines)


def details(comparison: Comparison, only_last: bool = False) -> list[list[Any]]:
    """Return task, method, frames, seeds, mean, deviation, median, worst and normalized mean of each score."""
    tasks = [panel.task for panel in comparison.panels]
    return [
        [
            short(score.task, tasks), score.method, score.frames, len(score.runs), float(score.runs.mean()),
            float("nan") if score.deviation is None else score.deviation, float(np.median(score.runs)),
            float(score.runs.min()), float(score.normalized.mean()),
        ]
        for score in comparison.scores
        if score.last or not only_last
    ]  # fmt: skip
