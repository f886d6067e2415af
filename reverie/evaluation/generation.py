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
    mask = trace.targets.mask
    each = torch.stack([model.noise(size[0], size[1], generator) for _ in range(samples)])
    share = mask / mask.sum()
    reconstruction = (model.likelihood.log_prob(trace.output, trace.targets.pixels) * share).sum()
    divergence = (model.latent.divergence(trace.posterior, trace.prior) * share).sum()
    active = active_units(trace.posterior.mean[mask > 0])
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
        samples = model.imagine(condition, model.latent.noise(columns, generator=generator))
        before = [batch.obs[model.name][b, t - 1].float() / 255] if isinstance(model, CVAE) and t > 0 else []
        reconstruction = model.likelihood.mean(trace.output[b, t]).clamp(0, 1)
        tiles.append([_pixels(image) for image in (*before, targets.pixels[b, t], reconstruction, *samples)])
    labels = ["frame before"] * (len(tiles[0]) - columns - 2) + ["held out", "reconstruction"]
    labels += [f"sample {number}" for number in range(1, columns + 1)]
    kind = "samples with the condition of the row" if isinstance(model, CVAE) else "samples from the prior"
    title = f"Held-out images, their reconstructions, and {kind}"
    return films.mosaic(tiles, gap_after=len(tiles[0]) - columns, column_labels=labels, title=title)


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
    return films.mosaic(
        [list(row) for row in _pixels(images)],
        gap=0,
        row_labels=[f"{z:.1f}" for z in reversed(place.tolist())],
        column_labels=[f"{z:.1f}" for z in place.tolist()],
        title="Images decoded from the two latent variables (first: columns, second: rows)",
    )


@torch.no_grad()
def samples(model: GenerativeModel, count: int, seed: int, held_out: Batch | None = None) -> UInt8[np.ndarray, "H W C"]:
    """`count` pictures by the model; a conditional one's rows have conditions from the `held_out` data."""
    device = next(model.parameters()).device
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    generator = torch.Generator(device).manual_seed(seed)
    condition = torch.zeros(rows, 0, device=device)
    if held_out is not None:
        targets = model.targets(held_out)
        valid = targets.condition[targets.mask > 0]
        condition = valid[torch.linspace(0, len(valid) - 1, rows).long()]
    noise = model.latent.noise(rows, columns, generator=generator)
    images = model.imagine(condition[:, None].expand(-1, columns, -1), noise)
    tiles = [list(row) for row in _pixels(images)]
    tiles[-1] = tiles[-1][: count - (rows - 1) * columns]
    conditional = isinstance(model, CVAE)
    labels = [f"condition {number}" for number in range(1, rows + 1)] if conditional else []
    title = f"{count} samples" + (", a held-out condition a row" if conditional else " from the prior")
    return films.mosaic(tiles, row_labels=labels, title=title)


def _pixels(images: Float[Tensor, "*b H W C"]) -> UInt8[np.ndarray, "*b H W C"]:
    """Intensities in [0, 1] as bytes."""
    return (255 * images).round().to(torch.uint8).cpu().numpy()
