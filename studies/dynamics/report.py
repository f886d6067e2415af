"""Tables and figures of the study of dynamics, from its numbers."""

from pathlib import Path

import numpy as np

from reverie.evaluation import figures
from reverie_worlds import curtain
from studies.kit import Columns, Numbers, mean_std, number, table, table_of

FORK, LANDING = curtain.FORK_STEP, curtain.STEPS
"""The steps at which the ball has just forked, and at which it lands."""
HIDDEN = curtain.HIDDEN_ROWS[0] - curtain.START_ROW
"""The first step at which the ball is hidden."""
CONTEXT = {"curtain": FORK, "pendulum": 5}
"""Columns that are seen before the open-loop prediction: on the curtain, all before the fork."""
CURTAIN: Columns = (
    ("bound (nats a step)", lambda result: number(result.get("bound"))),
    ("surprise at the fork", lambda result: f"{result['excess_nll'][FORK - 1]:.1f}"),
    ("at the landing", lambda result: f"{result['excess_nll'][LANDING - 1]:.1f}"),
    ("position R² when last seen", lambda result: number(result["position_r2"][FORK + 1])),
    ("R² just before it lands", lambda result: number(result["position_r2"][LANDING - 1])),
    ("image error at the landing, open loop", lambda result: f"{result['open_loop_image_error'][-1]:.1f}"),
    ("reward error there", lambda result: f"{result['open_loop_reward_error'][-1]:.3f}"),
    ("return as a PlaNet agent", lambda result: mean_std(result["returns"])),
    ("parameters of the dynamics", lambda result: f"{result['parameters']:,}"),
)
PENDULUM: Columns = (
    ("bound (nats a step)", lambda result: number(result.get("bound"))),
    ("surprise, one step", lambda result: f"{np.mean(result['excess_nll']):.1f}"),
    ("image error, 1 step", lambda result: f"{result['open_loop_image_error'][0]:.1f}"),
    ("30 steps", lambda result: f"{result['open_loop_image_error'][-1]:.1f}"),
    ("reward error, 30 steps", lambda result: f"{result['open_loop_reward_error'][-1]:.3f}"),
    ("return as a PlaNet agent", lambda result: mean_std(result["returns"], 1)),
)


def tables(numbers: Numbers) -> dict[str, str]:
    """One table a world, a row a model; `baselines`: players without a model."""
    baselines = numbers["baselines"]
    return {
        "curtain": table_of(numbers["curtain"], CURTAIN),
        "baselines": table(list(baselines), [[number(value) for value in baselines.values()]]),
        "pendulum": table_of(numbers["pendulum"], PENDULUM),
    }


def draw(out: Path, numbers: Numbers) -> None:
    """Errors by step, a color a model: `WORLD_image_error.png`, ...; of the curtain also surprise and memory."""
    for world, context in CONTEXT.items():
        title = f"{world.capitalize()}: open-loop prediction after {context} observed frames"
        for key, unit in (("image", ", of 255"), ("reward", "")):
            style = figures.Style(title, "predicted step", f"{key} error (root mean square{unit})")
            _draw_steps(out / f"{world}_{key}_error.png", numbers[world], f"open_loop_{key}_error", style)
    xlabel = "step of the episode"
    title = f"Surprise at the next image: the ball forks at step {FORK} and lands at step {LANDING}"
    style = figures.Style(title, xlabel, "excess negative log-likelihood (nats)")
    _draw_steps(out / "curtain_surprise.png", numbers["curtain"], "excess_nll", style)
    title = f"Linear probe for where the ball will land: it is hidden from step {HIDDEN} on"
    style = figures.Style(title, xlabel, "R² (held out)")
    _draw_steps(out / "curtain_memory.png", numbers["curtain"], "position_r2", style, first=0)


def _draw_steps(path: Path, results: Numbers, measure: str, style: figures.Style, first: int = 1) -> None:
    """Write a PNG of a measure by step, a line a model; the first value is that of step `first`."""
    series = {name: list(enumerate(result[measure], start=first)) for name, result in results.items()}
    figures.plot(path, series, style)
