"""Tables and figures of the study of generative models, from its numbers."""

from pathlib import Path

import numpy as np

from reverie.evaluation import figures, generation
from studies.kit import Numbers, number, table

DIGITS = (
    "held-out digits",
    "bound",
    "reconstruction",
    "complexity",
    f"ln p(x) by {generation.SAMPLES} samples",
    "active units",
)
FORK = ("", "error after go", "error after wait", "spread after go", "spread after wait", "nearest to the left")


def tables(numbers: Numbers) -> dict[str, str]:
    """`digits`, `bound` by the number of samples, `pca`: where ln p(x) is known, and `fork`."""
    digits = [
        [
            name,
            *(number(result[key]) for key in ("bound", "reconstruction", "divergence", "evidence")),
            f"{result['active_units']:.0f} of {result['units']:.0f}",
        ]
        for name, result in numbers["digits"].items()
    ]
    fork = [
        [
            name,
            *(number(result[key], 3) for key in ("error_go", "error_wait", "spread_go", "spread_wait")),
            f"{100 * result['left']:.0f} %",
        ]
        for name, result in numbers["fork"].items()
    ]
    bounds, pca = numbers["bound_by_samples"], numbers["pca"]
    linear = [
        [which, *(number(pca[f"{which}_{key}"], 4) for key in ("exact", "bound"))] for which in ("best", "learned")
    ]
    return {
        "digits": table(DIGITS, digits),
        "bound": table(["samples", *bounds], [["bound on ln p(x), nats", *map(number, bounds.values())]]),
        "pca": table(["linear model", "ln p(x)", "bound"], linear),
        "fork": table(FORK, fork),
    }


def draw(out: Path, numbers: Numbers) -> None:
    """`ring.png`, `tightness.png`."""
    ring(out / "ring.png")
    bounds = [(int(samples), bound) for samples, bound in numbers["bound_by_samples"].items()]
    title, label = "The bound on ln p(x) of held-out digits rises with the samples", "posterior samples an image"
    style = figures.Style(title, label, "importance-weighted bound (nats an image)", log_x=True)
    figures.plot(out / "tightness.png", {"held-out digits": bounds}, style)


def ring(path: Path, points: int = 2_000) -> Path:
    """A Gaussian before and after `f(z) = z / 10 + z / |z|`, each point in the color of its angle."""
    z = np.random.default_rng(0).normal(size=(points, 2))
    shaped = z / 10 + z / np.linalg.norm(z, axis=1, keepdims=True)
    return figures.scatter(path, {"z ~ N(0, I)": z, "f(z) = z / 10 + z / |z|": shaped}, np.arctan2(z[:, 1], z[:, 0]))
