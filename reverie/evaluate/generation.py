"""What a generative model has to show: its bound on held-out images, how much of its latent is used, its pictures.

evaluation.json  generation.png  bound.png  manifold.png (where the latent has two dimensions)
"""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from jaxtyping import UInt8

from reverie.data.base import Recorded
from reverie.errors import UserError
from reverie.evaluate import figures
from reverie.files import atomic_write
from reverie.math.bounds import active_units
from reverie.models.cvae import CVAE
from reverie.models.generative import GenerativeModel
from reverie.runs.logger import read_metrics
from reverie.types import Batch

if TYPE_CHECKING:
    from reverie.runs.config import OfflineConfig

MOST_IMAGES, SAMPLES = 512, 100
"""Held-out sequences that are looked at, and samples of the posterior for the importance-weighted estimate."""
COLLAPSED = 0.1
"""Below this share of active units the posterior is called collapsed."""
SHOWN = 12
"""Rows of a picture."""


@torch.no_grad()
def measure(model: GenerativeModel, batch: Batch, samples: int = SAMPLES, seed: int = 0) -> dict[str, float]:
    """Nats an image on `batch`: `bound` = `reconstruction` - `divergence`, and the tighter `evidence` by `samples`.

    `active_units` of `units`: how many dimensions of the latent the image reaches (`math.bounds.active_units`).
    """
    generator = torch.Generator(batch.action.device).manual_seed(seed)
    size = batch.action.shape[:2]
    trace = model.trace(batch, model.noise(size[0], size[1], generator))
    counts = trace.targets.mask
    each = torch.stack([model.noise(size[0], size[1], generator) for _ in range(samples)])
    share = counts / counts.sum()
    reconstruction = (model.likelihood.log_prob(trace.output, trace.targets.pixels) * share).sum()
    divergence = (model.latent.divergence(trace.posterior, trace.prior) * share).sum()
    active = active_units(trace.posterior.mean[counts > 0])
    return {
        "bound": float(reconstruction - divergence),
        "reconstruction": float(reconstruction),
        "divergence": float(divergence),
        "evidence": float((model.evidence(batch, each) * share).sum()),
        "active_units": float(active.sum()),
        "units": float(len(active)),
    }


def sentence(values: dict[str, float]) -> str:
    """The figures for people."""
    return (
        f"held-out images: bound {values['bound']:.2f} nats = reconstruction {values['reconstruction']:.2f} - "
        f"complexity {values['divergence']:.2f}; ln p(x) by {SAMPLES} samples {values['evidence']:.2f}; "
        f"{values['active_units']:.0f} of {values['units']:.0f} latent units active"
    )


def warning(values: dict[str, float]) -> str | None:
    """A sentence if the posterior has collapsed: the decoder draws without looking at the latent."""
    if values["active_units"] >= COLLAPSED * values["units"]:
        return None
    return (
        f"The posterior has collapsed: {values['active_units']:.0f} of {values['units']:.0f} latent units depend on "
        "the image. Take a smaller --model.beta, some --model.free nats, or a likelihood that asks for more detail."
    )


@torch.no_grad()
def picture(model: GenerativeModel, batch: Batch, columns: int = 8, seed: int = 0) -> UInt8[np.ndarray, "H W C"]:
    """Rows of a held-out image, what the model makes of it, and `columns` pictures from the prior.

    A conditional model's rows begin with the frame before, and all its pictures have the row's condition.
    """
    generator = torch.Generator(batch.action.device).manual_seed(seed)
    trace = model.trace(batch, None)
    targets = trace.targets
    seen = (targets.mask > 0).nonzero()
    rows = seen[:: max(1, len(seen) // SHOWN)][:SHOWN]
    tiles = []
    for b, t in rows.tolist():
        condition = targets.condition[b, t].expand(columns, -1)
        drawn = model.imagine(condition, model.latent.noise(columns, generator=generator))
        known = [batch.obs[model.name][b, t - 1].float() / 255] if isinstance(model, CVAE) and t > 0 else []
        known += [targets.pixels[b, t], model.likelihood.mean(trace.output[b, t]).clamp(0, 1)]
        tiles.append([(255 * image).round().to(torch.uint8).cpu().numpy() for image in [*known, *drawn]])
    return figures.mosaic(tiles, gap_after=len(tiles[0]) - columns)


def examine(model: GenerativeModel, recorded: Recorded, length: int) -> tuple[dict[str, float], np.ndarray]:
    """`measure` and `picture` of the held-out data."""
    batch = recorded.test.sequential(length, MOST_IMAGES)
    return measure(model, batch), picture(model, batch)


@torch.no_grad()
def manifold(model: GenerativeModel, columns: int = 20) -> UInt8[np.ndarray, "H W C"]:
    """Pictures over a latent of two dimensions, evenly spaced in the prior's probability (Kingma 2014, Fig. 4)."""
    device = next(model.parameters()).device
    quantiles = (torch.arange(columns, device=device) + 0.5) / columns
    place = torch.special.ndtri(quantiles)
    sample = torch.stack(torch.meshgrid(place, place, indexing="xy"), dim=-1).flip(0)
    images = model.likelihood.mean(model.decode(sample, sample[..., :0])).clamp(0, 1)
    return figures.mosaic([list(row) for row in (255 * images).round().to(torch.uint8).cpu().numpy()], gap=0)


@torch.no_grad()
def draw_samples(folder: Path, count: int, seed: int, path: Path) -> Path:
    """A PNG of `count` pictures by the model of a run; a conditional model's have held-out conditions, a row each."""
    from reverie.runs.config import read_config
    from reverie.runs.offline import load

    model, config = load(folder), cast("OfflineConfig", read_config(folder))  # `load` refuses others
    if not isinstance(model, GenerativeModel):
        raise UserError(f"{folder} holds no generative model: give the folder of a run such as `reverie train vae`.")
    device = next(model.parameters()).device
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    generator = torch.Generator(device).manual_seed(seed)
    condition = torch.zeros(rows, 0, device=device)
    if isinstance(model, CVAE):
        recorded = config.data.build(folder, config.seed, device, torch.Generator())
        recorded.load(lambda text: None)
        targets = model.targets(recorded.test.sequential(config.training.length, MOST_IMAGES))
        known = targets.condition[targets.mask > 0]
        condition = known[torch.linspace(0, len(known) - 1, rows).long()]
    noise = model.latent.noise(rows, columns, generator=generator)
    images = model.imagine(condition[:, None].expand(-1, columns, -1), noise)
    pixels = (255 * images).round().to(torch.uint8).cpu().numpy()
    pixels[-1, count - (rows - 1) * columns :] = 255
    return figures.image(path, figures.mosaic([list(row) for row in pixels]))


def write(folder: Path, config: "OfflineConfig") -> tuple[dict[str, float], dict[str, Path]]:
    """Measure the model of a finished run and draw everything. Returns the figures, and the files by what they are."""
    from reverie.runs.offline import load

    model = cast(GenerativeModel, load(folder, config.device))
    device = next(model.parameters()).device
    recorded = config.data.build(folder, config.seed, device, torch.Generator())
    recorded.load(lambda text: None)
    values, drawn = examine(model, recorded, config.training.length)
    paths = {"evaluation": folder / "evaluation.json"}
    numbers = values | {"samples": SAMPLES, "world": config.world, "seed": config.seed}
    atomic_write(paths["evaluation"], json.dumps(numbers, indent=1).encode())
    paths["pictures"] = figures.image(folder / "generation.png", drawn)
    paths["bound"] = figures.lines(
        folder / "bound.png",
        {
            "training": [(line["updates"], line["bound"]) for line in read_metrics(folder, "train")],
            "held out": [(line["updates"], line["bound"]) for line in read_metrics(folder, "evaluation")],
            f"held out, {SAMPLES} samples": [
                (line["updates"], line["evidence"]) for line in read_metrics(folder, "evaluation")
            ],
        },
        title=f"{config.recipe} on {config.world}, seed {config.seed}",
        xlabel="updates",
        ylabel="bound on the log-likelihood (nats an image)",
    )
    if model.latent.sample_size == 2 and not isinstance(model, CVAE):
        paths["manifold"] = figures.image(folder / "manifold.png", manifold(model))
    return values, paths
