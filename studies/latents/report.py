"""Tables and figures of the study of latents, from its numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from studies.dynamics.report import FORK, LANDING
from studies.dynamics.report import draw as draw_predictions
from studies.kit import Numbers, mean_std, table

HEAD = (
    *("", "bound (nats a step)", "divergence", "information (bits)", "surprise, one step"),
    *("image error, open loop, first step", "last step", "reward error there"),
)
AT_THE_CURTAIN = ("surprise at the fork", "R² of the ball's position just before it lands")


def tables(numbers: Numbers) -> dict[str, str]:
    """One table a world, a row a latent; `planning`: by one future without noise, and by sampled ones."""
    rows = {world: [_row(world, *item) for item in numbers[world].items()] for world in ("curtain", "pendulum")}
    return {
        "curtain": table([*HEAD, *AT_THE_CURTAIN, "return"], rows["curtain"]),
        "pendulum": table([*HEAD, "return"], rows["pendulum"]),
        "planning": planning(numbers["pendulum"]),
    }


def _row(world: str, name: str, result: Mapping[str, Any]) -> list[str]:
    cells = [
        f"{name}, {result['latent']}",
        f"{result['bound']:.2f}",
        f"{result['divergence']:.2f}",
        f"{result['information_bits']:.1f}",
        f"{np.mean(result['excess_nll']):.2f}",
        *(f"{result['open_loop_image_error'][step]:.1f}" for step in (0, -1)),
        f"{result['open_loop_reward_error'][-1]:.3f}",
    ]
    if world == "curtain":
        cells += [f"{result['excess_nll'][FORK - 1]:.2f}", f"{result['position_r2'][LANDING - 1]:.2f}"]
    return [*cells, mean_std(result["returns"], 2 if world == "curtain" else 1)]


def planning(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns and the quality of scores, a row a latent."""
    samples = max(next(iter(results.values()))["ranking"], key=int)
    head = [
        *("", "return, mean or most likely future", f"{samples} sampled futures", "difference decided"),
        *("correlation near the top, mean or most likely", "sampled"),
        *("overestimation, mean or most likely", "sampled"),
    ]
    rows = []
    for name, result in results.items():
        one, sampled = result["ranking"]["0"], result["ranking"][samples]
        rows.append(
            [
                name,
                mean_std(result["returns"], 1),
                mean_std(result["returns_sampled"], 1),
                "yes" if differ(result["returns"], result["returns_sampled"]) else "no",
                *(f"{each['correlation']:.2f}" for each in (one, sampled)),
                *(f"{each['overestimation']:+.1f}" for each in (one, sampled)),
            ]
        )
    return table(head, rows)


def differ(returns: Sequence[float], others: Sequence[float]) -> bool:
    """Whether two means differ by at least twice the standard error of their difference."""
    error = np.sqrt(np.var(returns) / len(returns) + np.var(others) / len(others))
    return bool(abs(np.mean(returns) - np.mean(others)) >= 2 * error)


def draw(out: Path, numbers: Numbers) -> None:
    """The figures of the study of dynamics, a color a latent."""
    draw_predictions(out, numbers)
