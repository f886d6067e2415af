"""Tables and figures of the study of dynamics, from its numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reverie.evaluation import figures
from reverie_worlds import curtain
from studies.kit import Numbers, by_step, mean_std, number, table

FORK, LANDING = curtain.FORK_STEP, curtain.STEPS
"""The steps at which the ball has just forked, and at which it lands."""
HIDDEN = curtain.HIDDEN_ROWS[0] - curtain.START_ROW
"""The first step at which the ball is hidden."""
CONTEXT = {"curtain": FORK, "pendulum": 5}
"""Columns that are seen before the open-loop prediction: on the curtain, all before the fork."""
CURTAIN = (
    *("", "bound (nats a step)", "surprise at the fork", "at the landing", "position R² when last seen"),
    *("R² just before it lands", "image error at the landing, open loop", "reward error there"),
    *("return as a PlaNet agent", "parameters of the dynamics"),
)
PENDULUM = (
    *("", "bound (nats a step)", "surprise, one step", "image error, 1 step", "30 steps", "reward error, 30 steps"),
    "return as a PlaNet agent",
)


def tables(numbers: Numbers) -> dict[str, str]:
    """One table a world, a row a model; `baselines`: players without a model."""
    baselines = numbers["baselines"]
    return {
        "curtain": table(CURTAIN, [_curtain_row(*item) for item in numbers["curtain"].items()]),
        "baselines": table(list(baselines), [[number(value) for value in baselines.values()]]),
        "pendulum": table(PENDULUM, [_pendulum_row(*item) for item in numbers["pendulum"].items()]),
    }


def _curtain_row(name: str, result: Mapping[str, Any]) -> list[str]:
    return [
        name,
        number(result.get("bound")),
        *(f"{result['excess_nll'][step - 1]:.1f}" for step in (FORK, LANDING)),
        *(number(result["position_r2"][step]) for step in (FORK + 1, LANDING - 1)),
        f"{result['open_loop_image_error'][-1]:.1f}",
        f"{result['open_loop_reward_error'][-1]:.3f}",
        mean_std(result["returns"]),
        f"{result['parameters']:,}",
    ]


def _pendulum_row(name: str, result: Mapping[str, Any]) -> list[str]:
    return [
        name,
        number(result.get("bound")),
        f"{np.mean(result['excess_nll']):.1f}",
        *(f"{result['open_loop_image_error'][step]:.1f}" for step in (0, -1)),
        f"{result['open_loop_reward_error'][-1]:.3f}",
        mean_std(result["returns"], 1),
    ]


def draw(out: Path, numbers: Numbers) -> None:
    """Errors by step, a color a model: `WORLD_image_error.png`, ...; what was seen of the curtain besides."""
    for world, context in CONTEXT.items():
        results = numbers[world]
        for key, unit in (("image_error", "image error (root mean square, of 255)"), ("reward_error", "reward error (root mean square)")):
            series = {name: by_step(result[f"open_loop_{key}"]) for name, result in results.items()}
            title = f"{world.capitalize()}: open-loop prediction after {context} observed frames"
            style = figures.Style(title, "predicted step", unit)
            figures.plot(out / f"{world}_{key}.png", series, style)
    results, xlabel = numbers["curtain"], "step of the episode"
    series = {name: by_step(result["excess_nll"]) for name, result in results.items()}
    title = f"Surprise at the next image: the ball forks at step {FORK} and lands at step {LANDING}"
    figures.plot(out / "curtain_surprise.png", series, figures.Style(title, xlabel, "excess negative log-likelihood (nats)"))
    series = {name: by_step(result["position_r2"], first=0) for name, result in results.items()}
    title = f"Linear probe for where the ball will land: it is hidden from step {HIDDEN} on"
    figures.plot(out / "curtain_memory.png", series, figures.Style(title, xlabel, "R² (held out)"))
