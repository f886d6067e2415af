"""Make a comparison: the curves of each task, and the scores at the same frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reverie.errors import UserError, nearest
from reverie.evaluation import published, statistics
from reverie.evaluation.comparison.aggregates import NEAR, with_aggregates
from reverie.evaluation.comparison.parts import Center, Comparison, Curve, Estimate, Kind, Line, Panel, Score, Seed
from reverie.evaluation.published import Scale

BINS = 30
"""Points of a curve, at most: each is the mean of the returns since the point before."""
EPISODES = 5
"""Training episodes that a point is the mean of, at least, unless there would be fewer points than `FEW_BINS`."""
FEW_BINS = 6
BUDGETS = (100_000, 500_000, 1_000_000)
"""Frames at which tables show scores, besides those of published scores and of the end."""


def compare(
    curves: Sequence[Curve],
    references: Sequence[str] = (),
    kind: Kind | None = None,
    at: int | None = None,
    center: Center = "mean",
    stated: Mapping[str, Scale] | None = None,
) -> Comparison:
    """Return every number of a comparison.

    - `references`: published methods, see `published.names`.
    - `kind`: which returns count; None takes evaluations where every run makes them while it trains.
    - `at`: frames at which scores are compared. None takes as many as the slowest run has, as a part of its budget.
    - `stated`: returns that are normalized to 0 and 1, by task.
    """
    for name in references:
        published.check_name(name)
    tasks = tuple(dict.fromkeys(run.task for run in curves))
    for task in stated or {}:
        if task not in tasks:
            raise UserError(f"No run is on the task {task} whose scores 0 and 1 are stated.{nearest(task, tasks)}")
    kind = kind or ("evaluation" if all(run.evaluates for run in curves) else "training")
    alive = [run for run in curves if len(run.returns[kind][0]) and run.state != "failed"]
    if not alive:
        raise UserError(
            f"There is nothing to compare yet: no run has a return of {kind} episodes. `--returns` takes the others."
        )
    budgets = {task: min(run.budget for run in curves if run.task == task) for task in tasks}
    slowest = min(alive, key=lambda run: run.reached / budgets[run.task])
    part = min(1.0, slowest.reached / budgets[slowest.task])
    builder = _Builder(curves, alive, kind, center, budgets, part, at, references, stated or {})
    remarks = [*builder.remarks_on_runs(slowest)]
    panels = tuple(builder.panel(task) for task in tasks)
    methods = tuple(dict.fromkeys(run.method for run in curves))
    scores = tuple(score for panel in panels for score in builder.scores(panel))
    if not scores:
        raise UserError(f"No run has a score at {at:,} frames: take fewer.")
    remarks += _remarks_on_references(panels, references)
    plain = Comparison(tuple(curves), kind, center, methods, panels, scores, tuple(references), remarks=tuple(remarks))
    return with_aggregates(plain, {task: builder.counted(task) for task in tasks}, builder.means)


@dataclass(frozen=True)
class _Builder:
    """The choices that all parts of a comparison share."""

    curves: Sequence[Curve]
    alive: Sequence[Curve]
    kind: Kind
    center: Center
    budgets: Mapping[str, int]
    part: float
    at: int | None
    references: Sequence[str]
    stated: Mapping[str, Scale]

    def cut(self, task: str) -> float:
        return self.at or self.part * self.budgets[task]

    def window(self, task: str) -> float:
        most = max((len(run.returns[self.kind][0]) for run in self.curves if run.task == task), default=1)
        bins = most if self.kind == "evaluation" else max(min(most, FEW_BINS), most // EPISODES)
        return self.budgets[task] / max(1, min(BINS, bins))

    def means(self, run: Curve, points: np.ndarray) -> np.ndarray:
        """Return the scores of a run at some frames, NaN before its first return."""
        return statistics.window_means(*run.returns[self.kind], points, self.window(run.task))

    def counted(self, task: str) -> list[Curve]:
        """Return the runs whose scores are compared."""
        end = np.array([float(self.cut(task))])
        mine = [run for run in self.alive if run.task == task and run.reached >= end[0] * 0.999]
        return [run for run in mine if np.isfinite(self.means(run, end)[0])]

    def panel(self, task: str) -> Panel:
        mine = [run for run in self.curves if run.task == task]
        kinds = dict.fromkeys(published.benchmark(run.env) for run in mine)
        beside = {name: [p for kind in kinds for p in published.points(name, kind, task)] for name in self.references}
        lines = {
            method: self._line([run for run in mine if run.method == method])
            for method in dict.fromkeys(run.method for run in mine)
        }
        scale = self.stated.get(task) or published.scale(mine[0].env)
        budget, cut = max(run.budget for run in mine), self.cut(task) if self.counted(task) else None
        return Panel(task, budget, self.window(task), cut, lines, {n: p for n, p in beside.items() if p}, scale)

    def _line(self, runs: Sequence[Curve]) -> Line:
        seeds = []
        for run in runs:
            points = _grid(run.reached, self.window(run.task))
            scores = self.means(run, points)
            there = np.isfinite(scores)
            seeds.append(Seed(run, points[there], scores[there]))
        alive = [run for run in runs if run in self.alive]
        points = _grid(min((run.reached for run in alive), default=0), self.window(runs[0].task))
        matrix = np.array([self.means(run, points) for run in alive]).reshape(len(alive), len(points)).T
        there = np.isfinite(matrix).all(1)
        points, matrix = points[there], matrix[there]
        center = np.mean if self.center == "mean" else np.median
        if not len(points) or not alive:
            return Line(tuple(seeds), np.zeros(0), Estimate(np.zeros(0)))
        ends = statistics.band(center, matrix) if len(alive) > 1 else (None, None)
        return Line(tuple(seeds), points, Estimate(center(matrix, axis=1), *ends))

    def scores(self, panel: Panel) -> list[Score]:
        """Return the rows of the table for a task."""
        if panel.cut is None:
            return []
        counted, rows = self.counted(panel.task), []
        published_at = {point.frames for points in panel.published.values() for point in points}
        earlier = {frames for frames in {*BUDGETS, *published_at} if frames < panel.cut * (1 - NEAR)}
        for frames in (*sorted(earlier), panel.cut):
            for method in panel.lines:
                mine = [run for run in counted if run.method == method]
                values = np.array([self.means(run, np.array([float(frames)]))[0] for run in mine])
                there = np.isfinite(values)
                if there.any():
                    seeds = tuple(run.seed for run, known in zip(mine, there) if known)
                    last = frames == panel.cut
                    rows.append(Score(method, panel.task, frames, seeds, values[there], panel.scale, last))
        return rows

    def remarks_on_runs(self, slowest: Curve) -> list[str]:
        """Say which runs do not count, and where the others are cut."""
        said = [
            f"{run.name} has failed and does not count: {run.sentence}" for run in self.curves if run.state == "failed"
        ]
        silent = [run for run in self.curves if run.state != "failed" and run not in self.alive]
        if silent:
            said.append(f"{_names(silent)} {_have(silent)} no return yet.")
        if self.at is None and self.part < 0.99:
            said.append(
                f"Scores are compared at {self.part:.0%} of the budget, because {slowest.name} is only so far. "
                "`--at FRAMES` compares elsewhere, without the runs that are not there yet."
            )
        short = [run for run in self.alive if run not in self.counted(run.task)]
        if short:
            said.append(f"{_names(short)} {_have(short)} no score yet at the frames that are compared.")
        return said


def _grid(reached: float, step: float) -> np.ndarray:
    """Return the ends of whole steps, and the end if it is not one of them."""
    points = step * np.arange(1, int(reached / step + 1e-9) + 1)
    rest = reached - (points[-1] if len(points) else 0)
    return np.append(points, float(reached)) if rest > 0.05 * step else points


def _names(runs: Sequence[Curve]) -> str:
    shown = [run.name for run in runs[:3]]
    return ", ".join(shown) + (f" and {len(runs) - 3} more" if len(runs) > 3 else "")


def _have(runs: Sequence[Curve]) -> str:
    return "has" if len(runs) == 1 else "have"


def _remarks_on_references(panels: Sequence[Panel], references: Sequence[str]) -> list[str]:
    """Name the tasks that a published method lacks. UserError where it lacks all."""
    said = []
    for name in references:
        lacking = [panel.task for panel in panels if name not in panel.published]
        if len(lacking) == len(panels):
            raise UserError(
                f"{published.title(name)} has no published score for {', '.join(lacking[:3])}"
                f"{' and the other tasks' if len(lacking) > 3 else ''}, as played here: leave "
                f"`--published {name}` out."
            )
        if lacking:
            listed = ", ".join(lacking[:3]) + (f" and {len(lacking) - 3} more" if len(lacking) > 3 else "")
            said.append(f"{published.title(name)} has no published score for {listed}.")
    return said
