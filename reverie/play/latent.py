"""One person's walk through the latent space of a VAE or a conditional VAE: coordinates in, images out."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reverie.errors import UserError
from reverie.models.cvae import CVAE
from reverie.models.generative import GenerativeModel
from reverie.play.recorder import Recorder
from reverie.types import Batch

LONGEST = 10_000
"""Points of a walk, at most."""
STRIDE = 0.12
"""Share of new noise in a step of a random walk: `z sqrt(1 - s^2) + s noise` keeps `z ~ N(0, I)`."""


class LatentStage:
    """What all sessions share: the model and held-out images, encoded, with their conditions. Nothing changes."""

    def __init__(self, name: str, model: GenerativeModel, held_out: Batch | None) -> None:
        self.name, self.model = name, model
        self.device = next(model.parameters()).device
        self.images: UInt8[np.ndarray, "N h w c"] = np.zeros((0, *model.shape), np.uint8)
        self.codes = torch.zeros(0, model.latent.sample_size, device=self.device)
        self.conditions = torch.zeros(1, 0, device=self.device)
        self.order = list(range(model.latent.sample_size))
        """Coordinates, the one that varies the most among images first."""
        if held_out is None:
            if isinstance(model, CVAE):
                raise UserError("A conditional model needs its recordings for conditions, and they are not here.")
            return
        with torch.no_grad():
            targets = model.targets(held_out)
            valid = targets.mask > 0
            self.conditions = targets.condition[valid]
            prior = model.prior(self.conditions)
            codes = model.posterior(targets.image, targets.condition).mean[valid]
            self.codes = codes = (codes - prior.mean) / prior.std
        self.images = held_out.obs[model.name][valid].cpu().numpy()
        self.order = codes.std(0).argsort(descending=True).tolist() if len(codes) > 1 else self.order


@dataclass(frozen=True)
class Point:
    """A place in the latent space, in standard deviations of the prior, and the image there."""

    z: Float[Tensor, " Z"]
    number: int
    """The recorded image whose condition holds, and that is shown beside."""
    image: UInt8[np.ndarray, "h w c"]


class LatentSession:
    """A walk of one person. Its methods return the point that is now. `close` it."""

    def __init__(self, stage: LatentStage, seed: int = 0) -> None:
        self.stage, self.recorder, self.now = stage, Recorder(), 0
        self.generator = torch.Generator(stage.device).manual_seed(seed)
        self.points: list[Point] = []
        if len(stage.codes):
            self.encode(0)
        else:
            self.move(torch.zeros(len(stage.order)), 0)

    @property
    def point(self) -> Point:
        return self.points[self.now]

    def close(self) -> None:
        self.recorder.close()

    @torch.no_grad()
    def move(self, z: Tensor, number: int | None = None) -> Point:
        """Go to standardized coordinates (Z,), with the condition of a recorded image; by default the present one."""
        stage, model = self.stage, self.stage.model
        number = (self.point.number if self.points else 0) if number is None else number
        if self.now + 1 >= LONGEST:
            raise UserError(f"A walk has {LONGEST:,} points at most: rewind, or reload the page.")
        if z.shape != (len(stage.order),) or not torch.isfinite(z).all():
            raise UserError(f"A point here has {len(stage.order)} finite coordinates.")
        condition = stage.conditions[min(number, len(stage.conditions) - 1)]
        sample = model.latent.sample(model.prior(condition), z.to(stage.device))
        image = model.likelihood.mean(model.decode(sample[None], condition[None]))[0].clamp(0, 1)
        del self.points[self.now + 1 :]
        self.points.append(Point(z, number, (255 * image).round().to(torch.uint8).cpu().numpy()))
        self.now = len(self.points) - 1
        if self.recorder.running:
            self.recorder.add({"imagined": self.point.image})
        return self.point

    def encode(self, number: int) -> Point:
        """Go to the code of a recorded image, which also gives the condition."""
        if not 0 <= number < len(self.stage.codes):
            raise UserError(f"There is no recorded image {number}: take 0 to {len(self.stage.codes) - 1}.")
        return self.move(self.stage.codes[number].cpu(), number)

    def sample(self) -> Point:
        """Jump to a sample of the prior."""
        return self.move(self._noise())

    def walk(self) -> Point:
        """Take one step of a random walk, which the prior's distribution never leaves."""
        return self.move(self.point.z * (1 - STRIDE**2) ** 0.5 + STRIDE * self._noise())

    def condition(self, number: int) -> Point:
        """Stay, and take the condition of another recorded image."""
        if not 0 <= number < len(self.stage.images):
            raise UserError(f"There is no recorded image {number}: take 0 to {len(self.stage.images) - 1}.")
        return self.move(self.point.z, number)

    def rewind(self, number: int) -> Point:
        """Go to another point of the walk. The next step branches off there."""
        self.now = min(max(number, 0), len(self.points) - 1)
        return self.point

    def _noise(self) -> Tensor:
        return self.stage.model.latent.noise(1, generator=self.generator)[0].cpu()
