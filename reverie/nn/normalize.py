"""Normalization of observations for networks, and its inverse."""

import torch
from torch import Tensor, nn

from reverie.math.two_hot import symexp, symlog
from reverie.spaces import EnvSpec


def module_name(name: str) -> str:
    """Return a name under which a module can hold a part for an observation: dots and attributes are not allowed there.

    Other names stay as they are.
    """
    taken = name.startswith("obs:") or hasattr(nn.ModuleDict(), name)
    return f"obs:{name.replace('.', ':')}" if taken or "." in name or not name else name


class Normalize(nn.Module):
    """Images from uint8 to `(x / 255 - mean) / scale`, vectors by `symlog`.

    By default `mean` is 0.5 and `scale` 1, so images lie in [-0.5, 0.5] as published. `calibrate` sets the mean image
    and the root-mean-square difference from it. Why: a fixed camera shows mostly background. Without calibration the
    embedding hardly varies (standard deviation 0.006 on Pendulum), and a model ignores the pole for long.

    With fewer than 8 `bits`, the center of the pixel's bin, `(floor(x / 2^(8 - bits)) + 1/2) / 2^bits`, stands for
    `x / 255` (Kingma & Dhariwal 2018, as in PlaNet).
    """

    def __init__(self, spec: EnvSpec, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.images = sorted(name for name, space in spec.obs.items() if space.is_image)
        self.vectors = sorted(name for name, space in spec.obs.items() if not space.is_image)
        for name in self.images:
            self.register_buffer(f"mean_{module_name(name)}", torch.full(spec.obs[name].shape, 0.5))
            self.register_buffer(f"scale_{module_name(name)}", torch.ones(()))

    def statistics(self, name: str) -> tuple[Tensor, Tensor]:
        """Return the mean image (height, width, channels) and scale () of one observation, for pixels in [0, 1]."""
        return self.get_buffer(f"mean_{module_name(name)}"), self.get_buffer(f"scale_{module_name(name)}")

    def forward(self, obs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Normalize observations with any leading axes. Names outside the spec are left out."""
        normalized = {}
        for name, value in obs.items():
            if name in self.images:
                mean, scale = self.statistics(name)
                normalized[name] = torch.addcmul(-mean / scale, self._rounded(value), 1 / (255 * scale))
            elif name in self.vectors:
                normalized[name] = symlog(value)
        return normalized

    def _rounded(self, image: Tensor) -> Tensor:
        """Return pixels as floats in [0, 255], rounded to the bits that are kept."""
        if self.bits == 8:
            return image.float()
        return ((image >> (8 - self.bits)).float() + 0.5) * (255 / 2**self.bits)

    def invert(self, obs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert back to the environment's units. Images become float in [0, 255], clipped."""
        inverse = {}
        for name, value in obs.items():
            if name in self.images:
                mean, scale = self.statistics(name)
                inverse[name] = ((value * scale + mean) * 255).clamp(0, 255)
            else:
                inverse[name] = symexp(value)
        return inverse

    @torch.no_grad()
    def calibrate(self, obs: dict[str, Tensor]) -> None:
        """Set mean and scale from images `(*b, height, width, channels)`; the scale is at least 1 / 255."""
        for name in self.images:
            images = self._rounded(obs[name].flatten(0, -4)) / 255
            mean, scale = self.statistics(name)
            mean.copy_(images.mean(0))
            scale.copy_((images - mean).square().mean().sqrt().clamp(min=1 / 255))
