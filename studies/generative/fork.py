"""What a model draws where the world has two futures, and where it has one: `reverie/Fork-v0`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reverie.evaluation import figures
from reverie.types import Batch
from reverie_worlds.fork import GO, JUMP, SIZE, WAIT, ball

ROWS = (4, 8, 11)
DRAWN, SHOWN = 100, 8


@runtime_checkable
class Draws(Protocol):
    """What is examined: a conditional model of images, such as `CVAE`."""

    name: str
    latent: Any

    def condition(self, batch: Batch) -> Tensor: ...

    def imagine(self, condition: Tensor, noise: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Futures:
    """`error`: root-mean-square distance of a picture to the nearest possible future, in [0, 1]. `spread`: of pictures
    of one condition to their mean. `left`: the share that is nearest to the left future, after `go`."""

    error_go: float
    error_wait: float
    spread_go: float
    spread_wait: float
    left: float


@torch.no_grad()
def drawn(model: Draws, row: int, action: int, count: int, seed: int = 0) -> Float[Tensor, "N h w c"]:
    """`count` pictures of what follows `action` from a ball at that height."""
    view = torch.from_numpy(np.stack([ball(row, SIZE // 2)] * 2))[None]
    flags = torch.tensor([[True, False]])
    one_hot = torch.nn.functional.one_hot(torch.tensor([[action, action]]), 2).float()
    batch = Batch({model.name: view}, one_hot, torch.zeros(1, 2), flags, ~flags, ~flags)
    condition = model.condition(batch)[0, 1].expand(count, -1)
    noise = model.latent.noise(count, generator=torch.Generator().manual_seed(seed))
    return model.imagine(condition, noise)


def possible(row: int, action: int) -> Float[Tensor, "N h w c"]:
    """The pictures that can follow: left and right, or the one."""
    columns = [SIZE // 2 - JUMP, SIZE // 2 + JUMP] if action == GO else [SIZE // 2]
    return torch.from_numpy(np.stack([ball(row, column) for column in columns])).float() / 255


def examine(model: Draws) -> Futures:
    """Means over all heights at which the ball can be."""
    rows = range(3, SIZE - 3)
    found: dict[int, list[tuple[float, float]]] = {GO: [], WAIT: []}
    left = []
    for row in rows:
        for action in (GO, WAIT):
            pictures = drawn(model, row, action, DRAWN)
            truth = possible(row, action)
            distance = (pictures[:, None] - truth).square().mean((2, 3, 4)).sqrt()
            spread = (pictures - pictures.mean(0)).square().mean().sqrt()
            found[action].append((float(distance.min(1).values.mean()), float(spread)))
            if action == GO:
                left.append(float((distance.argmin(1) == 0).float().mean()))
    (error_go, spread_go), (error_wait, spread_wait) = (np.mean(found[action], axis=0) for action in (GO, WAIT))
    return Futures(float(error_go), float(error_wait), float(spread_go), float(spread_wait), float(np.mean(left)))


def picture(models: Mapping[str, Draws]) -> UInt8[np.ndarray, "H W C"]:
    """A row for each model, height and action: the frame before, then pictures of what follows."""
    rows = []
    for model in models.values():
        for row in ROWS:
            for action in (GO, WAIT):
                images = (255 * drawn(model, row, action, SHOWN)).round().to(torch.uint8).numpy()
                rows.append([ball(row, SIZE // 2), *images])
    return figures.mosaic(rows, gap_after=1)
