"""What the study of deformables found, in words and figures: every figure and every verdict is made of its numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reverie.evaluation import figures

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
"""Yan 2020, Tab. 1 and 2: sum of distances after the last action, in meters; goals in the order of the study."""
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
"""Shares of random's distance nearer than this are as near: the widest spread of three seeds of one method."""
Found = Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]
"""Method, seed, goal, measure."""


def text(numbers: Mapping[str, Any]) -> str:
    """The report, Markdown."""
    parts = [
        f"""# Rope and cloth to goal images

`reverie study deformable --size {numbers["size"]}`. Random interaction is all that any method learned from, and the
same for all. Every agent ranks a hundred legal actions at a time by where its model says they lead, from starts that no
method has seen. The number is the paper's: the distance to the goal after the last action, in meters, summed over
points, in the order of points that makes it least; mean over {numbers["episodes"]} episodes, ± their standard deviation
(over seeds where a method has several: mean ± deviation of the seeds' means). In brackets: published, Yan 2020,
with ten times the data and other physics.
"""
    ]
    for name, found in numbers["conditions"].items():
        parts.append(f"## {name.replace('-', ', ')}\n\n{table(name, found)}\n\n![{name}]({name}.png)\n")
        parts.append(conclusion(name, found))
        strips = " ".join(f"![CFM, {goal}]({name}-cfm-{goal}.png)" for goal in shown(list(found["random"]["0"])))
        parts.append(f"{strips}\n\n*CFM, seed 0, six episodes: the start, what came after some actions, the goal.*\n")
    return "\n".join(parts)


def shown(goals: Sequence[str]) -> tuple[str, ...]:
    """The goals of which CFM's film strips are shown."""
    return tuple(dict.fromkeys((goals[0], goals[-1])))


def table(name: str, found: Found) -> str:
    """A row a method, a column a goal."""
    goals = list(found["random"]["0"])
    most = max(one["episodes"] for one in found["random"]["0"].values())
    rows = ["| | " + " | ".join(goals) + " | success |", "|---|" + "---|" * (len(goals) + 1)]
    for method, runs in found.items():
        published = PUBLISHED.get(name, {}).get(method)
        cells = []
        for number, goal in enumerate(goals):
            theirs = f" ({published[number]:.2f})" if published else ""
            cells.append(cell([run[goal] for run in runs.values()]) + theirs)
        success = np.mean([run[goal]["success"] for run in runs.values() for goal in goals])
        label = NAMES.get(method, method) + (f", {len(runs)} seeds" if len(runs) > 1 else "")
        few = min(run[goal]["episodes"] for run in runs.values() for goal in goals)
        label += f", {few} episodes" if few < most else ""
        rows.append(f"| {label} | {' | '.join(cells)} | {100 * success:.0f} % |")
    return "\n".join(rows)


def cell(runs: list[Mapping[str, Any]]) -> str:
    """Mean and deviation: over episodes of one run, over the means of several."""
    means = [run["distance"] for run in runs]
    deviation = runs[0]["deviation"] if len(runs) == 1 else float(np.std(means))
    return f"{np.mean(means):.2f} ± {deviation:.2f}"


def share(found: Found, method: str, goal: str) -> float:
    """The distance that a method leaves, as a part of what acting at random leaves."""
    left = np.mean([run[goal]["distance"] for run in found[method].values()])
    return float(left / found["random"]["0"][goal]["distance"])


def conclusion(name: str, found: Found) -> str:
    """One paragraph, computed."""
    goals = list(found["random"]["0"])
    trained = [method for method in found if method not in ("random", "oracle")]
    mean = {method: float(np.mean([share(found, method, goal) for goal in goals])) for method in [*trained, "oracle"]}
    order = sorted(trained, key=mean.__getitem__)
    ranked = ", ".join(f"{NAMES[method]} {100 * mean[method]:.0f} %" for method in order)
    parts = [
        f"Of the distance that random actions leave, mean over {len(goals)} goals: {ranked}; the oracle leaves "
        f"{100 * mean['oracle']:.0f} %."
    ]
    if "cfm" in found:
        each = ", ".join(f"{goal} {100 * share(found, 'cfm', goal):.0f} %" for goal in goals)
        behind = {method: mean[method] - mean["cfm"] for method in order if method != "cfm"}
        verdicts = {
            "comes nearer than": [method for method, by in behind.items() if by >= TIE],
            f"ties with (within {100 * TIE:.0f} points)": [method for method, by in behind.items() if abs(by) < TIE],
            "is beaten by": [method for method, by in behind.items() if by <= -TIE],
        }
        said = "; ".join(f"it {verb} {_listed([NAMES[m] for m in those])}" for verb, those in verdicts.items() if those)
        parts.append(f"CFM by goal: {each}{'; ' if said else ''}{said}.")
    useless = [method for method in trained if mean[method] > 0.9]
    if useless:
        parts.append(f"No better than chance (above 90 %): {_listed([NAMES[m] for m in useless])}.")
    published = PUBLISHED.get(name, {})
    common = [method for method in order if method in published]
    if len(common) > 1:
        theirs = sorted(common, key=lambda method: float(np.mean(published[method])))
        verdict = "the published order" if theirs == common else "not the published order, which is"
        parts.append(f"That is {verdict}{'' if theirs == common else ' ' + ', '.join(NAMES[m] for m in theirs)}.")
    return " ".join(parts) + "\n"


def _listed(names: list[str]) -> str:
    return ", ".join(names) if names else "none"


def draw(out: Path, numbers: Mapping[str, Any]) -> None:
    """`CONDITION.png`: the mean distance after each action, over goals and seeds, a line a method."""
    for name, found in numbers["conditions"].items():
        series = {}
        for method, runs in found.items():
            curves = [run[goal]["distance_by_action"] for run in runs.values() for goal in run]
            series[NAMES.get(method, method)] = list(enumerate(np.mean(curves, 0).tolist()))
        title, unit = f"{name.replace('-', ', ')}: mean over goals", "distance to the goal (m, summed over points)"
        figures.plot(out / f"{name}.png", series, figures.Style(title, "actions", unit))
