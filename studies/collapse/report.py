"""Tables and figures of the study of collapse, from its numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reverie.evaluation import figures
from studies.kit import Columns, Numbers, number, table_of

NAMES = {
    "naive": "naive forward",
    "residual": "naive forward (residual)",
    "autoencoder": "autoencoder",
    "inverse": "inverse model",
    "contrastive_bilinear": "contrastive (bilinear)",
    "contrastive_dot": "contrastive (dot)",
    "contrastive_distance": "contrastive (distance)",
    "cfm_published": "CFM (as published)",
    "cfm": "CFM (our recipe)",
    "vicreg": "VICReg",
    "sigreg": "SIGReg",
}
MIN_SCALE, MIN_RANK = 0.1, 0.25
"""A latent space has collapsed below that part of its initial scale, or of its number of dimensions (RankMe)."""
MEASURES = {
    "scale": ("scale of the features", "scale / scale before training", True),
    "rankme": ("effective dimensions of the features", "RankMe, centered", False),
    "participation_ratio": ("participation ratio of the features", "participation ratio", False),
    "probe": ("linear probes of the true state", "R² (held out)", False),
    "inverse": ("linear regression of the action", "R² (held out)", False),
    "error_to_copy": ("error of the prediction", "error / error of repeating the last frame", True),
    "error_to_variance": ("error of the prediction", "error / variance of the features", True),
    "rank_correlation": ("latent distance and true distance", "rank correlation", False),
}
"""Title and label of each measure that is drawn over training, and whether its axis is logarithmic."""
Result = Mapping[str, Any]
"""All that was measured of one method in one world."""


def scale(result: Result) -> float:
    """Standard deviation of the features at the end, over that before the first update."""
    start = result["history"][0]["std"]
    return result["final"]["std"] / start if start > 0 else float("nan")


def collapsed(result: Result) -> list[str]:
    """What collapsed: `scale`, `dimensions`, both or nothing."""
    final = result["final"]
    low_rank = final["rankme"] < MIN_RANK * final["dimensions"] or final["dead_dimensions"] > 0
    return ["scale"] * (scale(result) < MIN_SCALE) + ["dimensions"] * bool(low_rank)


def control(result: Result, random: Mapping[str, Any]) -> float:
    """Distance to the goal that remains, over that of random actions; mean over goals."""
    return float(np.mean([result["control"][goal]["distance"] / random[goal]["distance"] for goal in random]))


def columns(random: Mapping[str, Any]) -> Columns:
    """Return the columns of a world's table. `random`: measures of random actions, by goal."""
    return (
        ("scale", lambda result: f"{scale(result):.2g}"),
        ("RankMe (of)", lambda result: f"{result['final']['rankme']:.1f} ({result['final']['dimensions']:.0f})"),
        ("participation", lambda result: f"{result['final']['participation_ratio']:.1f}"),
        ("probe R²", lambda result: number(result["final"].get("probe"))),
        ("action R²", lambda result: number(result["final"].get("inverse"))),
        ("error / copy", lambda result: number(result["final"].get("error_to_copy"))),
        ("error / variance", lambda result: number(result["final"].get("error_to_variance"))),
        ("rank corr.", lambda result: number(result["final"].get("rank_correlation"))),
        ("control", lambda result: f"{100 * control(result, random):.0f} %" if random else ""),
        ("collapsed", lambda result: " and ".join(collapsed(result))),
    )


def tables(numbers: Numbers) -> dict[str, str]:
    """One table a world, a row a method."""
    worlds = numbers["worlds"].items()
    return {name: table_of(by_label(world["methods"]), columns(world["random"])) for name, world in worlds}


def by_label(methods: Mapping[str, Result]) -> dict[str, Result]:
    """Results by the names of methods in tables and legends."""
    return {NAMES[method]: result for method, result in methods.items()}


def draw(out: Path, numbers: Numbers) -> None:
    """`WORLD_MEASURE.png` over training, `WORLD_spectrum.png`, `WORLD_control.png`."""
    for name, world in numbers["worlds"].items():
        results = by_label(world["methods"])
        for measure, (title, label, log) in MEASURES.items():
            series = {method: history(result, measure, log) for method, result in results.items()}
            style = figures.Style(f"{name.capitalize()}: {title}", "updates", label, log_y=log)
            figures.plot(out / f"{name}_{measure}.png", series, style)
        spectra = {
            method: [(k, max(x, 1e-8)) for k, x in enumerate(result["spectrum"], start=1)]
            for method, result in results.items()
        }
        title = f"{name.capitalize()}: spectrum of the features after training"
        style = figures.Style(title, "dimension, the largest first", "singular value / √N", log_y=True)
        figures.plot(out / f"{name}_spectrum.png", spectra, style)
        if world["random"]:
            control = {method: result["control"] for method, result in results.items()}
            control["random actions"] = world["random"]
            distances = {m: {goal: one["distance"] for goal, one in goals.items()} for m, goals in control.items()}
            title, label = f"{name.capitalize()}: where agents arrive", "distance to the goal after the last action (m)"
            bars(out / f"{name}_control.png", distances, title, label)


def bars(path: Path, groups: Mapping[str, Mapping[str, float]], title: str, xlabel: str) -> Path:
    """Write a PNG of horizontal bars: a row for each group, a color for each of its entries. Return `path`."""
    entries = list(dict.fromkeys(entry for group in groups.values() for entry in group))
    figure = figures.new_figure(7, 1.2 + 0.42 * len(groups))
    axes = figure.add_subplot()
    height = 0.8 / len(entries)
    for index, entry in enumerate(entries):
        centers = np.arange(len(groups)) + (index - (len(entries) - 1) / 2) * height
        axes.barh(centers, [group.get(entry, 0.0) for group in groups.values()], height, label=entry)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.invert_yaxis()
    axes.set(title=title, xlabel=xlabel)
    figures.finish(axes)
    return figures.save(figure, path)


def history(result: Result, measure: str, log: bool) -> list[tuple[float, float]]:
    """A measure by update, without the updates at which it is no number; at least 1e-6 on a logarithmic axis."""
    start = result["history"][0]["std"]
    points = []
    for line in result["history"]:
        value = line.get(measure)
        if measure == "scale":
            value = line["std"] / start if start > 0 else None
        if value is not None and value == value:
            points.append((line["updates"], max(value, 1e-6) if log else value))
    return points
