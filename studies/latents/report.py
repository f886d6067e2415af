"""Tables and figures of the study of latents, from its numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from studies.dynamics.report import FORK, LANDING, draw
from studies.kit import Columns, Numbers, mean_std, table_of

__all__ = ["draw", "tables"]

HEAD: Columns = (
    ("bound (nats a step)", lambda result: f"{result['bound']:.2f}"),
    ("divergence", lambda result: f"{result['divergence']:.2f}"),
    ("information (bits)", lambda result: f"{result['information_bits']:.1f}"),
    ("surprise, one step", lambda result: f"{np.mean(result['excess_nll']):.2f}"),
    ("image error, open loop, first step", lambda result: f"{result['open_loop_image_error'][0]:.1f}"),
    ("last step", lambda result: f"{result['open_loop_image_error'][-1]:.1f}"),
    ("reward error there", lambda result: f"{result['open_loop_reward_error'][-1]:.3f}"),
)
CURTAIN: Columns = (
    *HEAD,
    ("surprise at the fork", lambda result: f"{result['excess_nll'][FORK - 1]:.2f}"),
    ("R² of the ball's position just before it lands", lambda result: f"{result['position_r2'][LANDING - 1]:.2f}"),
    ("return", lambda result: mean_std(result["returns"])),
)
PENDULUM: Columns = (*HEAD, ("return", lambda result: mean_std(result["returns"], 1)))


def tables(numbers: Numbers) -> dict[str, str]:
    """One table a world, a row a latent; `planning`: by one future without noise, and by sampled ones."""
    named = {
        world: {f"{name}, {result['latent']}": result for name, result in numbers[world].items()}
        for world in ("curtain", "pendulum")
    }
    return {
        "curtain": table_of(named["curtain"], CURTAIN),
        "pendulum": table_of(named["pendulum"], PENDULUM),
        "planning": planning(numbers["pendulum"]),
    }


def planning(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns and the quality of scores, a row a latent."""
    samples = max(next(iter(results.values()))["ranking"], key=int)
    columns: Columns = (
        ("return, mean or most likely future", lambda result: mean_std(result["returns"], 1)),
        (f"{samples} sampled futures", lambda result: mean_std(result["returns_sampled"], 1)),
        ("difference decided", lambda result: "yes" if differ(result["returns"], result["returns_sampled"]) else "no"),
        (
            "correlation near the top, mean or most likely",
            lambda result: f"{result['ranking']['0']['correlation']:.2f}",
        ),
        ("sampled", lambda result: f"{result['ranking'][samples]['correlation']:.2f}"),
        ("overestimation, mean or most likely", lambda result: f"{result['ranking']['0']['overestimation']:+.1f}"),
        ("sampled", lambda result: f"{result['ranking'][samples]['overestimation']:+.1f}"),
    )
    return table_of(results, columns)


def differ(returns: Sequence[float], others: Sequence[float]) -> bool:
    """Whether two means differ by at least twice the standard error of their difference."""
    error = np.sqrt(np.var(returns) / len(returns) + np.var(others) / len(others))
    return bool(abs(np.mean(returns) - np.mean(others)) >= 2 * error)
