"""Predictions of a conditional model where the world has two futures, and where it has one: `reverie/Fork-v0`."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reverie.evaluation import films
from reverie.types import Batch
from reverie_worlds.fork import GO, JUMP, SIZE, WAIT, ball

ROWS = (4, 8, 11)
DRAWN, SHOWN = 100, 8


@runtime_checkable
class ImageModel(Protocol):
    """A conditional model of images, such as `CVAE`."""

    name: str
    latent: Any

    def condition(self, batch: Batch) -> Tensor: ...

    def imagine(self, condition: Tensor, noise: Tensor) -> Tensor: ...


@torch.no_grad()
def samples(model: ImageModel, row: int, action: int, count: int, seed: int = 0) -> Float[Tensor, "N h w c"]:
    """`count` images of what follows `action` from a ball in that row."""
    view = torch.from_numpy(np.stack([ball(row, SIZE // 2)] * 2))[None]
    flags = torch.tensor([[True, False]])
    one_hot = torch.nn.functional.one_hot(torch.tensor([[action, action]]), 2).float()
    batch = Batch({model.name: view}, one_hot, torch.zeros(1, 2), flags, ~flags, ~flags)
    condition = model.condition(batch)[0, 1].expand(count, -1)
    noise = model.latent.noise(count, generator=torch.Generator().manual_seed(seed))
    return model.imagine(condition, noise)


def possible(row: int, action: int) -> Float[Tensor, "N h w c"]:
    """The images that can follow: left and right, or one."""
    columns = [SIZE // 2 - JUMP, SIZE // 2 + JUMP] if action == GO else [SIZE // 2]
    return torch.from_numpy(np.stack([ball(row, column) for column in columns])).float() / 255


def measure(model: ImageModel) -> dict[str, float]:
    """Return means over all rows in which the ball can be.

    `error_go`, `error_wait`: root-mean-square distance of a sample to the nearest possible future, in [0, 1].
    `spread_go`, `spread_wait`: of the samples of one condition to their mean.
    `left`: the share of samples nearest to the left future, after `go`.
    """
    results: dict[int, list[tuple[float, float]]] = {GO: [], WAIT: []}
    left = []
    for row in range(3, SIZE - 3):
        for action in (GO, WAIT):
            images = samples(model, row, action, DRAWN)
            distance = (images[:, None] - possible(row, action)).square().mean((2, 3, 4)).sqrt()
            spread = (images - images.mean(0)).square().mean().sqrt()
            results[action].append((float(distance.min(1).values.mean()), float(spread)))
            if action == GO:
                left.append(float((distance.argmin(1) == 0).float().mean()))
    (error_go, spread_go), (error_wait, spread_wait) = (np.mean(results[action], axis=0) for action in (GO, WAIT))
    return {
        "error_go": float(error_go),
        "error_wait": float(error_wait),
        "spread_go": float(spread_go),
        "spread_wait": float(spread_wait),
        "left": float(np.mean(left)),
    }


def picture(models: Mapping[str, ImageModel]) -> UInt8[np.ndarray, "H W C"]:
    """A row for each model, row of the ball and action: the frame before, then samples of what follows."""
    rows, labels = [], []
    for name, model in models.items():
        for row in ROWS:
            for action in (GO, WAIT):
                images = (255 * samples(model, row, action, SHOWN)).round().to(torch.uint8).numpy()
                labels.append(f"{name}, {'go' if action == GO else 'wait'}")
                rows.append([ball(row, SIZE // 2), *images])
    columns = ["frame before", *(f"sample {number}" for number in range(1, SHOWN + 1))]
    return films.mosaic(rows, gap_after=1, row_labels=labels, column_labels=columns)
