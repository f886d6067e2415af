"""Tables and figures of the study of generative models, from its numbers."""

from pathlib import Path

import numpy as np

from reverie.evaluation import figures, generation
from studies.kit import Columns, Numbers, number, table, table_of

DIGITS: Columns = (
    ("bound", lambda result: number(result["bound"])),
    ("reconstruction", lambda result: number(result["reconstruction"])),
    ("complexity", lambda result: number(result["divergence"])),
    (f"ln p(x) by {generation.SAMPLES} samples", lambda result: number(result["evidence"])),
    ("active units", lambda result: f"{result['active_units']:.0f} of {result['units']:.0f}"),
)
FORK: Columns = (
    ("error after go", lambda result: number(result["error_go"], 3)),
    ("error after wait", lambda result: number(result["error_wait"], 3)),
    ("spread after go", lambda result: number(result["spread_go"], 3)),
    ("spread after wait", lambda result: number(result["spread_wait"], 3)),
    ("nearest to the left", lambda result: f"{100 * result['left']:.0f} %"),
)


def tables(numbers: Numbers) -> dict[str, str]:
    """`digits`, `bound` by the number of samples, `pca`: where ln p(x) is known, and `fork`."""
    bounds, pca = numbers["bound_by_samples"], numbers["pca"]
    linear = [
        [which, *(number(pca[f"{which}_{key}"], 4) for key in ("exact", "bound"))] for which in ("best", "learned")
    ]
    return {
        "digits": table_of(numbers["digits"], DIGITS, "held-out digits"),
        "bound": table(["samples", *bounds], [["bound on ln p(x), nats", *map(number, bounds.values())]]),
        "pca": table(["linear model", "ln p(x)", "bound"], linear),
        "fork": table_of(numbers["fork"], FORK),
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
    figure, color = figures.new_figure(8.4, 4.4), np.arctan2(z[:, 1], z[:, 0])
    for panel, cloud in enumerate((z, shaped)):
        axes = figure.add_subplot(1, 2, panel + 1)
        axes.scatter(cloud[:, 0], cloud[:, 1], c=color, cmap="hsv", s=4)
        axes.set(title=("z ~ N(0, I)", "f(z) = z / 10 + z / |z|")[panel], aspect="equal")
        figures.finish(axes)
    return figures.save(figure, path)
