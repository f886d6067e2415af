"""Tables and figures of the study of collapse, from its numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reverie.evaluation import figures
from studies.kit import Numbers, number, table

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
HEAD = (
    *("", "scale", "RankMe (of)", "participation", "probe R²", "action R²", "error / copy", "error / variance"),
    *("rank corr.", "control", "collapsed"),
)
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


def control(result: Result, random: Mapping[str, Any]) -> float | None:
    """Distance to the goal that remains, over that of random actions; mean over goals, None if there are none."""
    if not random:
        return None
    return float(np.mean([result["control"][goal]["distance"] / random[goal]["distance"] for goal in random]))


def tables(numbers: Numbers) -> dict[str, str]:
    """One table a world, a row a method."""
    written = {}
    for name, world in numbers["worlds"].items():
        rows = []
        for method, result in world["methods"].items():
            final, remaining = result["final"], control(result, world["random"])
            rows.append(
                [
                    NAMES[method],
                    f"{scale(result):.2g}",
                    f"{final['rankme']:.1f} ({final['dimensions']:.0f})",
                    f"{final['participation_ratio']:.1f}",
                    *(number(final.get(key)) for key in list(MEASURES)[3:]),
                    "" if remaining is None else f"{100 * remaining:.0f} %",
                    " and ".join(collapsed(result)),
                ]
            )
        written[name] = table(HEAD, rows)
    return written


def draw(out: Path, numbers: Numbers) -> None:
    """`WORLD_MEASURE.png` over training, `WORLD_spectrum.png`, `WORLD_control.png`."""
    for name, world in numbers["worlds"].items():
        results = {NAMES[method]: result for method, result in world["methods"].items()}
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
            bars = {m: {goal: one["distance"] for goal, one in goals.items()} for m, goals in control.items()}
            title, label = f"{name.capitalize()}: where agents arrive", "distance to the goal after the last action (m)"
            figures.bars(out / f"{name}_control.png", bars, title, label)


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
