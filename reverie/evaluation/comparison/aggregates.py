"""Aggregates of a comparison: over all tasks that can be normalized and that every method has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np

from reverie.evaluation import published, statistics
from reverie.evaluation.comparison.parts import Comparison, Curve, Estimate, Panel, normalize
from reverie.evaluation.published import Point

POINTS = 30
"""Points of the curve of the IQM."""
NEAR = 0.05
"""A published score stands beside one here if their frames differ by less than this part."""
_RESAMPLES = 10_000
"""Resamples of the aggregates; curves have fewer."""
_THRESHOLDS = 101
_FEW = 3
"""Runs of a method without which a profile or a probability means nothing."""

Means = Callable[[Curve, np.ndarray], np.ndarray]
"""The scores of a run at some frames."""


def with_aggregates(plain: Comparison, counted: Mapping[str, Sequence[Curve]], means: Means) -> Comparison:
    """Add the aggregates to a comparison. `counted` are the runs of each task whose scores are compared."""
    measured = [method for method in plain.methods if any(score.method == method for score in plain.scores)]
    together = [
        panel
        for panel in plain.panels
        if panel.scale is not None and all(plain.score(method, panel.task) for method in measured)
    ]
    plain = replace(plain, remarks=(*plain.remarks, *_remarks(plain, measured, together)))
    if not together:
        return plain
    tasks = [panel.task for panel in together]
    values = {m: [score.normalized for task in tasks if (score := plain.score(m, task))] for m in measured}
    fractions = np.arange(1, POINTS + 1) / POINTS
    cuts = {panel.cut or 0.0 for panel in together}
    whole = len(cuts) == 1
    lines, hours = {}, {}
    for method in measured:
        runs = [([run for run in counted[panel.task] if run.method == method], panel) for panel in together]
        lines[method] = _iqm_over_time(runs, fractions, means)
        hours[method] = _hours_over_time(runs, fractions)
    thresholds = _thresholds([runs for scores in values.values() for runs in scores])
    enough = min(sum(map(len, scores)) for scores in values.values()) >= _FEW
    return replace(
        plain,
        together=tuple(tasks),
        aggregates={m: estimate(statistics.aggregates, x, resamples=_RESAMPLES) for m, x in values.items()},
        published_aggregates=_published_aggregates(plain.references, together),
        unit="environment frames" if whole else "part of the frames that are compared",
        progress=fractions * cuts.pop() if whole else fractions,
        efficiency=lines,
        hours={method: found for method, found in hours.items() if found is not None},
        thresholds=thresholds,
        profiles={
            m: estimate(partial(statistics.profile, thresholds=thresholds), x) for m, x in values.items() if enough
        },
        improvements={
            (a, b): estimate(statistics.improvement, values[a], values[b])
            for a, b in combinations(measured, 2)
            if enough
        },
    )


def estimate(statistic: statistics.Statistic, *methods: statistics.Scores, resamples: int = 2_000) -> Estimate:
    """Return a statistic, with its interval where every task has two runs or more."""
    value = np.asarray(statistic(*methods))
    if min(len(runs) for scores in methods for runs in scores) < 2:
        return Estimate(value)
    low, high = statistics.interval(statistic, *methods, resamples=resamples)
    return Estimate(value, np.asarray(low), np.asarray(high))


def near(points: Sequence[Point], frames: float) -> Point | None:
    """Return the published score at about these frames; None where there is none."""
    close = [point for point in points if abs(point.frames - frames) < NEAR * frames]
    return min(close, key=lambda point: abs(point.frames - frames), default=None)


def _iqm_over_time(tasks: Sequence[tuple[Sequence[Curve], Panel]], fractions: np.ndarray, means: Means) -> Estimate:
    """Return the IQM at each part of the frames that are compared, NaN where a run has no return yet."""
    curves = [
        np.array([normalize(means(run, fractions * (panel.cut or 0.0)), panel.scale) for run in runs])
        for runs, panel in tasks
    ]
    points = [estimate(statistics.iqm, [runs[:, i] for runs in curves]) for i in range(len(fractions))]
    value = np.array([point.value for point in points])
    if points[-1].low is None:
        return Estimate(value)
    return Estimate(value, np.array([point.low for point in points]), np.array([point.high for point in points]))


def _hours_over_time(
    tasks: Sequence[tuple[Sequence[Curve], Panel]], fractions: np.ndarray
) -> tuple[np.ndarray, str] | None:
    """Return the mean hours of a run at each part, and of what; None where a log tells no time."""
    runs = [(run, panel.cut or 0.0) for mine, panel in tasks for run in mine]
    processors = {run.processor for run, _ in runs}
    if len(processors) > 1 or not all(len(run.hours[0]) for run, _ in runs):
        return None
    each = [np.interp(fractions * cut, np.append(0, run.hours[0]), np.append(0, run.hours[1])) for run, cut in runs]
    return np.mean(each, axis=0), processors.pop()


def _thresholds(scores: statistics.Scores) -> np.ndarray:
    """Return thresholds from the worst run, or 0, to the 95th percentile of the runs, at least 1."""
    runs = np.concatenate(scores)
    return np.linspace(min(0.0, float(runs.min())), max(1.0, float(np.percentile(runs, 95))), _THRESHOLDS)


def _published_aggregates(names: Sequence[str], together: Sequence[Panel]) -> dict[str, tuple[float, float]]:
    """Return median and mean of the methods that have a score of every task at about these frames."""
    found = {}
    for name in names:
        points = [near(panel.published.get(name, ()), panel.cut or 0.0) for panel in together]
        means = [normalize(np.array([p.mean]), panel.scale)[0] for p, panel in zip(points, together) if p is not None]
        if len(means) == len(together):
            found[name] = float(np.median(means)), float(np.mean(means))
    return found


def _remarks(plain: Comparison, measured: Sequence[str], together: Sequence[Panel]) -> list[str]:
    """Say which tasks are left out, and what the intervals are worth."""
    said = []
    if unscaled := [panel.task for panel in plain.panels if panel.scale is None]:
        said.append(
            f"It is not known which scores of {', '.join(unscaled)} count as 0 and 1, so aggregates lack "
            f"{'them' if len(unscaled) > 1 else 'it'}: `--solved ID=RANDOM,SOLVED` states them."
        )
    scaled = [panel.task for panel in plain.panels if panel.scale is not None]
    if apart := [task for task in scaled if task not in [panel.task for panel in together]]:
        listed = ", ".join(apart[:3]) + (f" and {len(apart) - 3} more" if len(apart) > 3 else "")
        said.append(f"Aggregates lack {listed}: not every method has a score there.")
    last = [score for score in plain.scores if score.last]
    if single := list(dict.fromkeys(score.method for score in last if len(score.runs) == 1)):
        said.append(f"One seed tells no interval: none is drawn for {', '.join(single)}.")
    if any(len(score.runs) > 1 for score in last) and (len(together) < 5 or any(len(s.runs) < 3 for s in last)):
        said.append("Intervals of fewer than 3 seeds or 5 tasks are too narrow, and prove little.")
    for name in plain.references:
        if together and name not in _published_aggregates(plain.references, together):
            said.append(
                f"Aggregates lack {published.title(name)}: it has no published score of every task near these frames."
            )
    return said
