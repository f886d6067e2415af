"""Tables and figures of the study of deformables, from its numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reverie.evaluation import figures
from studies.kit import Numbers, table

PUBLISHED = {
    "rope": {
        "random": (4.75, 4.93, 4.80, 4.87, 5.73),
        "autoencoder": (1.72, 3.24, 2.11, 2.49, 4.31),
        "ssm": (1.81, 3.36, 2.31, 2.38, 3.04),
        "joint": (2.13, 4.33, 3.88, 4.02, 1.78),
        "pixel_forward": (2.09, 2.65, 2.55, 2.27, 4.77),
        "cfm": (0.58, 3.08, 2.29, 2.24, 1.52),
    },
    "cloth": {
        "random": (7.98, 10.12),
        "autoencoder": (3.24, 4.82),
        "ssm": (4.12, 5.06),
        "joint": (4.24, 4.70),
        "pixel_forward": (2.20, 4.65),
        "cfm": (2.69, 3.97),
    },
    "rope-randomized": {"cfm": (0.88, 1.20, 0.99, 0.99, 1.38)},
    "cloth-randomized": {"cfm": (3.99, 4.40)},
}
"""Yan 2020, Tab. 1 and 2: sum of distances after the last action (m); goals in the order of the study."""
NAMES = {
    "random": "random actions",
    "oracle": "oracle: true simulator, true distance",
    "autoencoder": "autoencoder",
    "ssm": "PlaNet's SSM, no reward",
    "joint": "joint forward + inverse",
    "pixel_forward": "forward in pixels",
    "naive": "naive forward",
    "cfm_published": "CFM, published negatives and forward model",
    "cfm_one_way": "CFM, hard negatives alone",
    "cfm": "CFM",
}
TIE = 0.04
"""Methods whose remaining distances differ by less tie: the largest difference among three seeds of one method."""
Results = Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]
"""Method, seed, goal, measure."""


def tables(numbers: Numbers) -> dict[str, str]:
    """Of each condition the distances, a row a method and a column a goal; `ranking`: remaining distances of all."""
    return {
        "ranking": ranking(numbers["conditions"]),
        **{name: distances(name, results) for name, results in numbers["conditions"].items()},
    }


def ranking(conditions: Mapping[str, Results]) -> str:
    """Remaining distances, a row a method and a column a condition; `=` marks ties with CFM."""
    columns = [remaining(results) for results in conditions.values()]
    rows = []
    for method in [name for name in NAMES if any(name in column for column in columns)]:
        cells = []
        for column in columns:
            tie = method != "cfm" and abs(column.get(method, np.inf) - column.get("cfm", np.nan)) < TIE
            cells.append(f"{100 * column[method]:.0f} %{' =' if tie else ''}" if method in column else "")
        rows.append([NAMES[method], *cells])
    return table(["", *(name.replace("-", ", ") for name in conditions)], rows)


def distances(name: str, results: Results) -> str:
    """Distance after the last action, published values in brackets, and the success rate."""
    goals = list(results["random"]["0"])
    episodes = max(result["episodes"] for result in results["random"]["0"].values())
    rows = []
    for method, runs in results.items():
        published = PUBLISHED.get(name, {}).get(method)
        cells = []
        for number, goal in enumerate(goals):
            theirs = f" ({published[number]:.2f})" if published else ""
            cells.append(cell([run[goal] for run in runs.values()]) + theirs)
        success = np.mean([run[goal]["success"] for run in runs.values() for goal in goals])
        label = NAMES[method] + (f", {len(runs)} seeds" if len(runs) > 1 else "")
        own = min(run[goal]["episodes"] for run in runs.values() for goal in goals)
        label += f", {own} episodes" if own < episodes else ""
        rows.append([label, *cells, f"{100 * success:.0f} %"])
    return table(["", *goals, "success"], rows)


def cell(runs: Sequence[Mapping[str, Any]]) -> str:
    """Mean ± standard deviation: over episodes for one seed, over the seeds' means for several."""
    means = [run["distance"] for run in runs]
    deviation = runs[0]["deviation"] if len(runs) == 1 else float(np.std(means))
    return f"{np.mean(means):.2f} ± {deviation:.2f}"


def remaining(results: Results) -> dict[str, float]:
    """Distance that each method leaves, over that of random actions; mean over goals."""
    random = results["random"]["0"]

    def share(runs: Mapping[str, Mapping[str, Mapping[str, Any]]], goal: str) -> float:
        return float(np.mean([run[goal]["distance"] for run in runs.values()]) / random[goal]["distance"])

    return {
        method: float(np.mean([share(runs, goal) for goal in random]))
        for method, runs in results.items()
        if method != "random"
    }


def draw(out: Path, numbers: Numbers) -> None:
    """`CONDITION.png`: the mean distance after each action, over goals and seeds, a line a method."""
    for name, results in numbers["conditions"].items():
        series = {}
        for method, runs in results.items():
            curves = [result["distance_by_action"] for run in runs.values() for result in run.values()]
            series[NAMES[method]] = list(enumerate(np.mean(curves, 0).tolist()))
        title = f"{name.replace('-', ', ').capitalize()}: distance to the goal, mean over goals"
        style = figures.Style(title, "actions", "distance (m, summed over points)", from_zero=True)
        figures.plot(out / f"{name}.png", series, style)
