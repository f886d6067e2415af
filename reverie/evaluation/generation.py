"""Measure a generative model on held-out images: its bound, its active latent units, and pictures of samples."""

import math

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reverie.data.base import Recorded
from reverie.evaluation import films
from reverie.math.bounds import active_units
from reverie.models.cvae import CVAE
from reverie.models.generative import GenerativeModel
from reverie.types import Batch

MOST_IMAGES, SAMPLES = 512, 100
"""Held-out sequences to measure, and posterior samples of the importance-weighted estimate."""
COLLAPSED = 0.1
"""A posterior with a smaller share of active units is called collapsed."""
SHOWN = 12
"""Rows of a picture."""


@torch.no_grad()
def measure(model: GenerativeModel, batch: Batch, samples: int = SAMPLES, seed: int = 0) -> dict[str, float]:
    """Return nats an image: `bound` = `reconstruction` - `divergence`, and the tighter `evidence` by `samples`.

    `active_units` of `units`: the number of latent dimensions that depend on the image (`math.bounds.active_units`).
    """
    (size, length), generator = batch.action.shape[:2], torch.Generator(batch.action.device).manual_seed(seed)
    trace = model.trace(batch, model.noise(size, length, generator))
    mask = trace.targets.mask
    noise = torch.stack([model.noise(size, length, generator) for _ in range(samples)])
    nats = {
        "reconstruction": model.likelihood.log_prob(trace.output, trace.targets.pixels),
        "divergence": model.latent.divergence(trace.posterior, trace.prior),
        "evidence": model.evidence(batch, noise),
    }
    means = {name: (each * (mask / mask.sum())).sum() for name, each in nats.items()}
    active = active_units(trace.posterior.mean[mask > 0])
    units = {"active_units": active.sum(), "units": len(active)}
    values = {"bound": means["reconstruction"] - means["divergence"], **means, **units}
    return {name: float(value) for name, value in values.items()}


def sentence(values: dict[str, float]) -> str:
    """Return the numbers as text."""
    return (
        f"held-out images: bound {values['bound']:.2f} nats = reconstruction {values['reconstruction']:.2f} - "
        f"complexity {values['divergence']:.2f}; ln p(x) by {SAMPLES} samples {values['evidence']:.2f}; "
        f"{values['active_units']:.0f} of {values['units']:.0f} latent units active"
    )


def warning(values: dict[str, float]) -> str | None:
    """Return a sentence if the posterior has collapsed: the decoder does not use the latent."""
    if values["active_units"] >= COLLAPSED * values["units"]:
        return None
    return (
        f"The posterior has collapsed: {values['active_units']:.0f} of {values['units']:.0f} latent units depend on "
        "the image. Take a smaller --model.beta, some --model.free nats, or a likelihood that asks for more detail."
    )


@torch.no_grad()
def picture(model: GenerativeModel, batch: Batch, columns: int = 8, seed: int = 0) -> UInt8[np.ndarray, "H W C"]:
    """Draw rows of a held-out image, its reconstruction, and `columns` samples from the prior.

    A conditional model's rows begin with the previous frame, and their samples have the row's condition.
    """
    generator, conditional = torch.Generator(batch.action.device).manual_seed(seed), isinstance(model, CVAE)
    trace = model.trace(batch, None)
    targets = trace.targets
    valid = (targets.mask > 0).nonzero()
    rows = []
    for b, t in valid[:: max(1, len(valid) // SHOWN)][:SHOWN].tolist():
        noise = model.latent.noise(columns, generator=generator)
        images = model.imagine(targets.condition[b, t].expand(columns, -1), noise)
        before = [batch.obs[model.name][b, t - 1].float() / 255] if conditional and t > 0 else []
        reconstruction = model.likelihood.mean(trace.output[b, t]).clamp(0, 1)
        rows.append([_pixels(image) for image in (*before, targets.pixels[b, t], reconstruction, *images)])
    labels = ["frame before"] * (len(rows[0]) - columns - 2) + ["held out", "reconstruction"]
    labels += [f"sample {number}" for number in range(1, columns + 1)]
    kind = "samples with the condition of the row" if conditional else "samples from the prior"
    title = f"Held-out images, their reconstructions, and {kind}"
    return films.mosaic(rows, gap_after=len(rows[0]) - columns, column_labels=labels, title=title)


def examine(model: GenerativeModel, recorded: Recorded, length: int) -> tuple[dict[str, float], np.ndarray]:
    """Return `measure` and `picture` of the held-out data."""
    batch = recorded.test.sequential(length, MOST_IMAGES)
    return measure(model, batch), picture(model, batch)


@torch.no_grad()
def manifold(model: GenerativeModel, columns: int = 20) -> UInt8[np.ndarray, "H W C"]:
    """Draw images over a latent of two dimensions, evenly spaced in the prior's probability (Kingma 2014, Fig. 4)."""
    quantiles = (torch.arange(columns, device=next(model.parameters()).device) + 0.5) / columns
    z = torch.special.ndtri(quantiles)
    sample = torch.stack(torch.meshgrid(z, z, indexing="xy"), dim=-1).flip(0)
    images = model.likelihood.mean(model.decode(sample, sample[..., :0])).clamp(0, 1)
    labels = [f"{value:.1f}" for value in z.tolist()]
    title = "Images decoded from the two latent variables (first: columns, second: rows)"
    return films.mosaic([*_pixels(images)], gap=0, row_labels=labels[::-1], column_labels=labels, title=title)


@torch.no_grad()
def samples(model: GenerativeModel, count: int, seed: int, held_out: Batch | None = None) -> UInt8[np.ndarray, "H W C"]:
    """Draw `count` samples. The rows of a conditional model have conditions from the `held_out` data."""
    device = next(model.parameters()).device
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    condition = torch.zeros(rows, 0, device=device)
    if held_out is not None:
        targets = model.targets(held_out)
        valid = targets.condition[targets.mask > 0]
        condition = valid[torch.linspace(0, len(valid) - 1, rows).long()]
    noise = model.latent.noise(rows, columns, generator=torch.Generator(device).manual_seed(seed))
    images = _pixels(model.imagine(condition[:, None].expand(-1, columns, -1), noise))
    tiles = [row[: count - number * columns] for number, row in enumerate(images)]
    conditional = isinstance(model, CVAE)
    labels = [f"condition {number}" for number in range(1, rows + 1)] if conditional else []
    title = f"{count} samples" + (", a held-out condition a row" if conditional else " from the prior")
    return films.mosaic(tiles, row_labels=labels, title=title)


def _pixels(images: Float[Tensor, "*b H W C"]) -> UInt8[np.ndarray, "*b H W C"]:
    """Convert intensities in [0, 1] to bytes."""
    return (255 * images).round().to(torch.uint8).cpu().numpy()
