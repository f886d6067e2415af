"""What the study of collapse found, in words and figures: every figure and every verdict is made of its numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reverie.evaluation import figures

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
LOST_SCALE, LOST_RANK, USELESS, BLIND = 0.1, 0.25, 0.9, 1.0
"""Below that part of the scale at the start, and that part of the dimensions (RankMe), a latent space has lost them;
above that part of random actions' distance control is no better than chance; above that part of their variance
predictions foresee nothing."""
MEASURES = {
    "scale": ("scale of the features, over that before the first update", True),
    "rankme": ("RankMe, centered", False),
    "participation_ratio": ("participation ratio", False),
    "probe": ("R² of linear probes of the true state", False),
    "inverse": ("R² of a linear regression of the action", False),
    "error_to_copy": ("prediction error, of repeating the last", True),
    "error_to_variance": ("prediction error, of the features' variance", True),
    "rank_correlation": ("rank correlation of latent and true distance", False),
}
"""The measures that are drawn over training, and whether on a logarithmic axis."""


def scale(found: Mapping[str, Any]) -> float:
    """The standard deviation at the end, over that before the first update."""
    start = found["way"][0]["std"]
    return found["end"]["std"] / start if start > 0 else float("nan")


def lost(found: Mapping[str, Any]) -> list[str]:
    """What collapsed: `scale`, `dimensions`, both or nothing."""
    end = found["end"]
    few = end["rankme"] < LOST_RANK * end["dimensions"] or end["dead_dimensions"] > 0
    return ["scale"] * (scale(found) < LOST_SCALE) + ["dimensions"] * bool(few)


def control(found: Mapping[str, Any], random: Mapping[str, Any]) -> float | None:
    """The distance that is left, of what random actions leave, mean over goals; None where there are none."""
    if not random:
        return None
    return float(np.mean([found["control"][goal]["distance"] / random[goal]["distance"] for goal in random]))


def verdict(found: Mapping[str, Any], random: Mapping[str, Any]) -> str:
    """What became of a latent space, in words."""
    gone, left = lost(found), control(found, random)
    parts = [f"loses {' and '.join(gone)}" if gone else "keeps both"]
    error = found["end"]["error_to_variance"]
    if error is None or not error < BLIND:
        parts.append("foresees nothing")
    if left is not None:
        parts.append("no better than random" if left > USELESS else f"leaves {100 * left:.0f} % of random's distance")
    return ", ".join(parts)


def text(numbers: Mapping[str, Any]) -> str:
    """The report, Markdown."""
    parts = [
        f"""# What keeps a latent space from collapsing?

`reverie study collapse --size {numbers["size"]}`. One encoder, one kind of forward model (CFM as published has its
own), the same random interaction, {numbers["updates"]:,} updates each, one seed; all measures are of held-out
trajectories (`evaluation/representation.py` defines them). *Scale* is the features' standard deviation over what it was
before the first update. Control: distance left after the last action, in parts of what random actions leave,
{numbers["episodes"]} episodes.
"""
    ]
    for name, world in numbers["worlds"].items():
        parts += [f"## {name}\n", table(world), "", pictures(name, bool(world["random"])), conclusion(name, world)]
    for name, why in numbers.get("left_out", {}).items():
        parts.append(f"## {name}\n\nLeft out: {why}\n")
    return "\n".join(parts)


def table(world: Mapping[str, Any]) -> str:
    """A row a method."""
    rows = [
        "| | scale | RankMe (of) | participation | probe R² | action R² | error / copy | error / variance | rank corr. "
        "| control | verdict |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for method, found in world["methods"].items():
        end, left = found["end"], control(found, world["random"])
        cells = [
            f"{scale(found):.2g}",
            f"{end['rankme']:.1f} ({end['dimensions']:.0f})",
            f"{end['participation_ratio']:.1f}",
            *(number(end.get(key)) for key in ("probe", "inverse", "error_to_copy", "error_to_variance")),
            number(end.get("rank_correlation")),
            "" if left is None else f"{100 * left:.0f} %",
            verdict(found, world["random"]),
        ]
        rows.append(f"| {NAMES.get(method, method)} | {' | '.join(cells)} |")
    return "\n".join(rows)


def number(value: float | None) -> str:
    """Two decimals; a dash where there is none."""
    return "–" if value is None or value != value else f"{value:.2f}"


def pictures(name: str, goals: bool) -> str:
    """The pictures of one world, Markdown."""
    drawn = [*MEASURES, "spectrum", *(["control"] if goals else [])]
    return " ".join(f"![{what}]({name}_{what}.png)" for what in drawn) + "\n"


def conclusion(name: str, world: Mapping[str, Any]) -> str:
    """One paragraph, computed."""
    methods, random = world["methods"], world["random"]
    gone = {method: lost(found) for method, found in methods.items()}
    collapsed = [f"{NAMES.get(m, m)} ({' and '.join(gone[m])})" for m in methods if gone[m]]
    kept = [NAMES.get(m, m) for m in methods if not gone[m]]
    parts = [
        f"On {name}, {_listed(collapsed)} collapsed; {_listed(kept)} did not."
        if collapsed
        else f"On {name} nothing collapsed."
    ]
    deceived = [
        NAMES.get(m, m)
        for m, found in methods.items()
        if "scale" in gone[m] and found["end"]["rankme"] >= LOST_RANK * found["end"]["dimensions"]
    ]
    if deceived:
        parts.append(f"RankMe alone would not have told of {_listed(deceived)}: it does not see the scale.")
    best = max(methods, key=lambda m: methods[m]["end"].get("probe") or -np.inf)
    if "probe" in methods[best]["end"]:
        parts.append(
            f"The true state is best read from {NAMES.get(best, best)} (R² {methods[best]['end']['probe']:.2f})."
        )
    if random:
        left = {m: control(found, random) or 0.0 for m, found in methods.items()}
        order = sorted(left, key=left.__getitem__)
        nearest = ", ".join(f"{NAMES.get(m, m)} {100 * left[m]:.0f} %" for m in order[:3])
        useless = [NAMES.get(m, m) for m in order if left[m] > USELESS]
        parts.append(f"Nearest to the goals come {nearest} of random actions' distance.")
        if useless:
            parts.append(f"No better than random: {_listed(useless)}.")
    alarmed = [NAMES.get(m, m) for m, found in methods.items() if found["alarms"]]
    parts.append(f"The alarm went off for {_listed(alarmed)}.")
    return " ".join(parts) + "\n"


def _listed(names: list[str]) -> str:
    return ", ".join(names) if names else "nothing"


def draw(out: Path, numbers: Mapping[str, Any]) -> None:
    """`WORLD_MEASURE.png` over training, `WORLD_spectrum.png`, `WORLD_control.png`."""
    for name, world in numbers["worlds"].items():
        for measure, (label, logarithmic) in MEASURES.items():
            series = {
                NAMES.get(method, method): curve(found, measure, logarithmic)
                for method, found in world["methods"].items()
            }
            style = figures.Style(f"{name}: {label}", "updates", measure, log_y=logarithmic)
            figures.plot(out / f"{name}_{measure}.png", series, style)
        spectra = {
            NAMES.get(method, method): [(k, max(x, 1e-8)) for k, x in enumerate(found["spectrum"], start=1)]
            for method, found in world["methods"].items()
        }
        title = f"{name}: spectrum of the features at the end"
        style = figures.Style(title, "largest first", "singular value (of √N)", log_y=True)
        figures.plot(out / f"{name}_spectrum.png", spectra, style)
        if world["random"]:
            bars = {
                NAMES.get(method, method): {goal: found["control"][goal]["distance"] for goal in world["random"]}
                for method, found in world["methods"].items()
            }
            bars["random actions"] = {goal: found["distance"] for goal, found in world["random"].items()}
            figures.bars(out / f"{name}_control.png", bars, f"{name}: distance to the goal after the last action", "m")


def curve(found: Mapping[str, Any], measure: str, logarithmic: bool) -> list[tuple[float, float]]:
    """A measure over updates, where it is a number."""
    start = found["way"][0]["std"]
    points = [
        (line["updates"], line["std"] / start if measure == "scale" else line.get(measure))
        for line in found["way"]
        if measure != "scale" or start > 0
    ]
    return [(x, max(y, 1e-6) if logarithmic else y) for x, y in points if y is not None and y == y]
