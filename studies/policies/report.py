"""What the study of policies found, in words and figures: every figure and every verdict is made of its numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reverie.evaluation import figures

NAMES = {
    "backpropagation": "gradients through the model",
    "reinforce": "REINFORCE",
    "evolution": "evolution strategies",
}
CLOSE = 0.9
"""The part of the way from the first return to the best one, at which a learner counts as having arrived."""


def curve(runs: Mapping[str, Any], over: str) -> list[tuple[float, float]]:
    """The mean over seeds of the real return, by imagined `steps` or by `seconds`."""
    return [(float(x), float(y)) for x, y in np.mean(curves(runs, over), 0)]


def curves(runs: Mapping[str, Any], over: str) -> list[list[tuple[float, float]]]:
    """Of each seed."""
    return [[(one[over], one["return"]) for one in run["points"]] for run in runs.values()]


def final(runs: Mapping[str, Any]) -> list[float]:
    """The last return of each seed."""
    return [run["points"][-1]["return"] for run in runs.values()]


def arrival(runs: Mapping[str, Any], over: str, level: float) -> float | None:
    """Steps or seconds after which the mean curve first reaches `level`; None where it does not."""
    return next((x for x, y in curve(runs, over) if y >= level), None)


def conclusion(numbers: Mapping[str, Any]) -> str:
    """One paragraph, computed."""
    methods = numbers["methods"]
    means = {method: float(np.mean(final(runs))) for method, runs in methods.items()}
    order = sorted(means, key=lambda method: -means[method])
    first = float(np.mean([run["points"][0]["return"] for runs in methods.values() for run in runs.values()]))
    level = first + CLOSE * (max(y for runs in methods.values() for _, y in curve(runs, "steps")) - first)
    listed = ", ".join(f"{NAMES[method]} {means[method]:.0f}" for method in order)
    parts = [f"From {first:.0f} they come to: {listed} (mean of seeds, real episodes)."]
    for over, unit, digits in (("steps", "thousand imagined steps", 1_000), ("seconds", "seconds", 1)):
        arrived = {method: arrival(runs, over, level) for method, runs in methods.items()}
        told = ", ".join(
            f"{NAMES[m]} {'not at all' if x is None else f'{x / digits:,.0f}'}" for m, x in arrived.items()
        )
        parts.append(f"Nine tenths of the best gain ({level:.0f}) take, in {unit}: {told}.")
    if noise := numbers["variance"]:
        told = "; ".join(f"{NAMES[method]} {measured(found, 'noise_to_signal')}" for method, found in noise.items())
        count = len(next(iter(noise.values())))
        at = "one policy" if count == 1 else f"{count} policies"
        parts.append(f"Noise over signal of a gradient for as many imagined steps, at {at}: {told}.")
    improved = [
        NAMES[m]
        for m, runs in methods.items()
        if all(run["points"][-1]["return"] > run["points"][0]["return"] for run in runs.values())
    ]
    parts.append(f"In the real environment every seed improved with: {', '.join(improved) or 'none'}.")
    if played := numbers["played"]:
        before, after = (float(np.mean([one["points"][i]["return"] for one in played.values()])) for i in (0, -1))
        frames = np.mean([one["points"][-1]["steps"] for one in played.values()])
        updates, times = next(iter(played.values()))["updates"], frames / numbers["frames"]
        parts.append(
            f"Scored by real episodes instead of imagined ones, {updates} updates of evolution strategies go from "
            f"{before:.0f} to {after:.0f} in {frames:,.0f} real frames, {times:.0f} times those that the world model "
            "learned from."
        )
    return " ".join(parts)


def text(numbers: Mapping[str, Any]) -> str:
    """The report, Markdown."""
    rows = [
        "| | updates | imagined steps | seconds | return, each seed | noise / signal, 1,000 steps | of one update |",
        "|---|---|---|---|---|---|---|",
    ]
    for method, runs in numbers["methods"].items():
        last = [run["points"][-1] for run in runs.values()]
        noise = numbers["variance"].get(method, [])
        rows.append(
            f"| {NAMES[method]} | {next(iter(runs.values()))['updates']:,} | {last[0]['steps']:,} "
            f"| {np.mean([one['seconds'] for one in last]):.0f} | {', '.join(f'{x:.0f}' for x in final(runs))} "
            f"| {' | '.join(measured(noise, measure) for measure in ('noise_to_signal', 'of_one_update'))} |"
        )
    for seed, one in numbers["played"].items():
        last = one["points"][-1]
        rows.append(
            f"| the same by real episodes, seed {seed} | {one['updates']} | {last['steps']:,} real frames "
            f"| {last['seconds']:.0f} | {last['return']:.0f} | | |"
        )
    table = "\n".join(rows)
    return f"""# Three ways to a policy in one world model

`reverie study policies --size {numbers["size"]}`. {numbers["world"]}: a world model from {numbers["frames"]:,} frames,
then frozen; policies from scratch, {numbers["steps"]:,} imagined steps each, from the same recorded beliefs.
Gradients through the model and REINFORCE share everything else: a value beyond the horizon, a bonus for entropy, the
demo's learning rate (not tuned for REINFORCE). Evolution has the discounted rewards of the horizon alone.
Returns: mean of {numbers["episodes"]} real episodes, the same for all, by the policy's mode. Seconds are those of one
core in updates alone, by the median of updates that all three made in turns.

{conclusion(numbers)}

![by imagined steps](policies_steps.png) ![by seconds](policies_seconds.png)

{table}

Noise over signal: the trace of the gradient's covariance over the squared norm of its mean, over fresh beliefs and
noise; per 1,000 imagined steps, as if a gradient had been made of that many. All at the same policies and values: those
that each seed of the gradients through the model had at a tenth of its way.
"""


def measured(noise: Sequence[Mapping[str, float | None]], measure: str) -> str:
    """At each policy; empty where it was not measured."""
    values = [found[measure] for found in noise]
    return ", ".join("hidden by the noise" if value is None else _number(value) for value in values)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def draw(out: Path, numbers: Mapping[str, Any]) -> None:
    """`policies_steps.png`, `policies_seconds.png`: the mean over seeds, and each seed."""
    for over, label in (("steps", "imagined steps"), ("seconds", "seconds of updates")):
        figures.plot(
            out / f"policies_{over}.png",
            {NAMES[method]: curve(runs, over) for method, runs in numbers["methods"].items()},
            figures.Style(f"{numbers['world']}: practicing in one world model (thin: each seed)", label, "real return"),
            faint={NAMES[method]: curves(runs, over) for method, runs in numbers["methods"].items()},
        )
