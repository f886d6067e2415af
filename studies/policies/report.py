"""Tables and figures of the study of policies, from its numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reverie.evaluation import figures
from studies.kit import Numbers, table

NAMES = {
    "backpropagation": "gradients through the model",
    "reinforce": "REINFORCE",
    "evolution": "evolution strategies",
}
LEARNERS = (
    *("", "updates", "imagined steps", "seconds", "return, each seed"),
    *("noise / signal, 1,000 steps", "noise / signal, one update"),
)
SHARE = 0.9
"""The share of the best gain in return after which a learner counts as having arrived."""
Runs = Mapping[str, Mapping[str, Any]]
"""Results of one learner by seed."""


def curves(runs: Runs, axis: str, unit: float = 1.0) -> list[list[tuple[float, float]]]:
    """The real return of each seed, by imagined `steps` or by `seconds`, in multiples of `unit`."""
    return [[(point[axis] / unit, point["return"]) for point in run["points"]] for run in runs.values()]


def mean_curve(runs: Runs, axis: str, unit: float = 1.0) -> list[tuple[float, float]]:
    """The mean over seeds."""
    return [(float(x), float(y)) for x, y in np.mean(curves(runs, axis, unit), 0)]


def arrival(runs: Runs, axis: str, level: float) -> float | None:
    """Steps or seconds after which the mean curve first reaches `level`; None if it does not."""
    return next((x for x, y in mean_curve(runs, axis) if y >= level), None)


def tables(numbers: Numbers) -> dict[str, str]:
    """`learners`: returns and gradient noise; `arrival`: what nine tenths of the best gain take."""
    return {"learners": learners(numbers), "arrival": arrivals(numbers["methods"])}


def learners(numbers: Numbers) -> str:
    """A row a learner; the last one is scored by real episodes."""
    rows = []
    for method, runs in numbers["methods"].items():
        last = [run["points"][-1] for run in runs.values()]
        noise = numbers["variance"].get(method, [])
        rows.append(
            [
                NAMES[method],
                f"{next(iter(runs.values()))['updates']:,}",
                f"{last[0]['steps']:,}",
                f"{np.mean([point['seconds'] for point in last]):.0f}",
                ", ".join(f"{point['return']:.0f}" for point in last),
                *(measured(noise, measure) for measure in ("noise_to_signal", "of_one_update")),
            ]
        )
    for seed, run in numbers["played"].items():
        point = run["points"][-1]
        cost = f"{point['steps']:,} real frames"
        returned, seconds = f"{point['return']:.0f}", f"{point['seconds']:.0f}"
        name = f"evolution strategies by real episodes, seed {seed}"
        rows.append([name, str(run["updates"]), cost, seconds, returned, "", ""])
    return table(LEARNERS, rows)


def arrivals(methods: Mapping[str, Runs]) -> str:
    """Return before and after, and thousand steps and seconds to `SHARE` of the best gain; means over seeds."""
    means = {method: mean_curve(runs, "steps") for method, runs in methods.items()}
    first = float(np.mean([curve[0][1] for curve in means.values()]))
    level = first + SHARE * (max(y for curve in means.values() for _, y in curve) - first)
    rows = []
    for method, runs in methods.items():
        took = [(arrival(runs, axis, level), unit) for axis, unit in (("steps", 1_000), ("seconds", 1))]
        cells = ["not reached" if x is None else f"{x / unit:,.0f}" for x, unit in took]
        rows.append([NAMES[method], f"{first:.0f}", f"{means[method][-1][1]:.0f}", *cells])
    return table(["", "first return", "last return", f"thousand imagined steps to {level:.0f}", "seconds"], rows)


def measured(noise: Sequence[Mapping[str, float | None]], measure: str) -> str:
    """A measure at each policy; empty if it was not measured."""
    values = [result[measure] for result in noise]
    return ", ".join("hidden by the noise" if x is None else f"{x:,.0f}" if x >= 100 else f"{x:.3g}" for x in values)


def draw(out: Path, numbers: Numbers) -> None:
    """`policies_steps.png`, `policies_seconds.png`: the mean over seeds, and each seed."""
    title = f"{numbers['world']}: learning in a frozen world model (thin lines: single seeds)"
    for axis, label, unit in (("steps", "million imagined steps", 1e6), ("seconds", "seconds of updates", 1.0)):
        figures.plot(
            out / f"policies_{axis}.png",
            {NAMES[method]: mean_curve(runs, axis, unit) for method, runs in numbers["methods"].items()},
            figures.Style(title, label, "return of real episodes"),
            faint={NAMES[method]: curves(runs, axis, unit) for method, runs in numbers["methods"].items()},
        )
