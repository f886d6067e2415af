"""What a comparison is made of: the runs it is given, and the numbers that figures, tables and the page show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from reverie.evaluation.published import Point, Scale

Kind = Literal["training", "evaluation"]
Center = Literal["mean", "median"]
Pairs = tuple[Float[np.ndarray, "_"], Float[np.ndarray, "_"]]
"""Frames in ascending order, and a value at each."""


@dataclass(frozen=True, eq=False)
class Curve:
    """One run as far as it is."""

    name: str
    """Its folder, as people know it."""
    method: str
    env: Mapping[str, Any]
    """How its environment is played, as in `config.json`."""
    seed: int
    budget: int
    """Environment frames that it will play."""
    reached: int
    """Environment frames so far."""
    state: str
    """`new`, `running`, `stopped`, `done` or `failed`."""
    returns: Mapping[Kind, Pairs]
    evaluates: bool
    """Whether it is evaluated while it trains."""
    hours: Pairs
    """Hours of a core, or of a GPU, at some frames."""
    processor: Literal["core", "GPU"] = "core"
    sentence: str = ""
    """Why it failed."""

    @property
    def task(self) -> str:
        return self.env["id"]


@dataclass(frozen=True)
class Estimate:
    """A number, or one at each of some points, with its 95 % bootstrap interval where there are seeds for one."""

    value: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


@dataclass(frozen=True)
class Seed:
    """The curve of one run: means of its returns since the point before."""

    run: Curve
    frames: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Line:
    """A method on a task: the seeds, and their center as far as all of them are."""

    seeds: tuple[Seed, ...]
    frames: np.ndarray
    center: Estimate

    @property
    def complete(self) -> bool:
        return all(seed.run.state == "done" for seed in self.seeds)


@dataclass(frozen=True)
class Panel:
    """One task."""

    task: str
    budget: int
    """The most frames of its runs."""
    window: float
    """Frames whose episodes a score is the mean of."""
    cut: float | None
    """Frames at which its scores are compared; None without a run that is so far."""
    lines: Mapping[str, Line]
    published: Mapping[str, Sequence[Point]]
    scale: Scale | None


def normalize(runs: np.ndarray, scale: Scale | None) -> np.ndarray:
    """Return (score - random) / (solved - random); NaN where these are not known."""
    return np.full(runs.shape, np.nan) if scale is None else (runs - scale[0]) / (scale[1] - scale[0])


@dataclass(frozen=True)
class Score:
    """The scores of all seeds of a method on a task, at some frames."""

    method: str
    task: str
    frames: float
    seeds: tuple[int, ...]
    runs: np.ndarray
    scale: Scale | None
    last: bool
    """Whether it is the one that is compared."""

    @property
    def deviation(self) -> float | None:
        """The standard deviation of the sample; None for one seed."""
        return float(self.runs.std(ddof=1)) if len(self.runs) > 1 else None

    @property
    def normalized(self) -> np.ndarray:
        return normalize(self.runs, self.scale)


@dataclass(frozen=True)
class Comparison:
    """What was compared, and every number of it."""

    curves: tuple[Curve, ...]
    kind: Kind
    """Whether the returns are of training episodes or of evaluations."""
    center: Center
    methods: tuple[str, ...]
    panels: tuple[Panel, ...]
    scores: tuple[Score, ...]
    references: tuple[str, ...]
    """The published methods."""
    together: tuple[str, ...] = ()
    """Tasks of the aggregates: those that can be normalized, and that every method has."""
    aggregates: Mapping[str, Estimate] = field(default_factory=dict)
    """By method, the four numbers of `statistics.AGGREGATES`."""
    published_aggregates: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Median and mean, which follow from published means. The others would need each run."""
    unit: str = "environment frames"
    progress: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """Where the IQM is shown, in `unit`."""
    efficiency: Mapping[str, Estimate] = field(default_factory=dict)
    """The IQM at each point of `progress`."""
    hours: Mapping[str, tuple[np.ndarray, str]] = field(default_factory=dict)
    """Hours of a run at each point of `progress`, and whether of a core or a GPU."""
    thresholds: np.ndarray = field(default_factory=lambda: np.zeros(0))
    profiles: Mapping[str, Estimate] = field(default_factory=dict)
    improvements: Mapping[tuple[str, str], Estimate] = field(default_factory=dict)
    """The probability that the first method is better than the second."""
    remarks: tuple[str, ...] = ()
    """Sentences on what was left out, cut, or cannot be said."""

    @property
    def complete(self) -> int:
        """Cells that are done."""
        return sum(run.state == "done" for run in self.curves)

    @property
    def cells(self) -> str:
        return f"{self.complete} of {len(self.curves)} cells are done"

    def score(self, method: str, task: str) -> Score | None:
        """Return the scores that are compared."""
        return next((one for one in self.scores if one.last and (one.method, one.task) == (method, task)), None)
