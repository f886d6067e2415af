"""Stored observations as networks see them, and back."""

import torch
from torch import Tensor, nn

from reverie.nn.mlp import symexp, symlog
from reverie.spaces import EnvSpec


class Normalize(nn.Module):
    """Images from uint8 to `(x / 255 - mean) / scale`, vectors by `symlog`.

    As built, `mean` is 0.5 and `scale` 1: the published [-0.5, 0.5]. `calibrate` sets them once from collected
    images: the mean image, and the root-mean-square of what differs from it. A fixed camera shows
    mostly background; before calibration an encoder's output hardly varies (standard deviation 0.006 on
    Pendulum) and hundreds of updates go by before the model sees the pole at all.
    """

    def __init__(self, spec: EnvSpec) -> None:
        super().__init__()
        self.images = sorted(name for name, space in spec.obs.items() if space.is_image)
        self.vectors = sorted(name for name, space in spec.obs.items() if not space.is_image)
        for name in self.images:
            self.register_buffer(f"mean_{name}", torch.full(spec.obs[name].shape, 0.5))
            self.register_buffer(f"scale_{name}", torch.ones(()))

    def statistics(self, name: str) -> tuple[Tensor, Tensor]:
        """Mean image (height, width, channels) and scale () of one observation, for pixels in [0, 1]."""
        return self.get_buffer(f"mean_{name}"), self.get_buffer(f"scale_{name}")

    def forward(self, obs: dict[str, Tensor]) -> dict[str, Tensor]:
        """An observation dict with any leading axes, prepared; what is not in the spec is left out."""
        prepared = {}
        for name, value in obs.items():
            if name in self.images:
                mean, scale = self.statistics(name)
                prepared[name] = torch.addcmul(-mean / scale, value.float(), 1 / (255 * scale))
            elif name in self.vectors:
                prepared[name] = symlog(value)
        return prepared

    def invert(self, obs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Normalized observations in the environment's units: images in [0, 255], clipped, still float."""
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
            images = obs[name].flatten(0, -4).float() / 255
            mean, scale = self.statistics(name)
            mean.copy_(images.mean(0))
            scale.copy_((images - mean).square().mean().sqrt().clamp(min=1 / 255))
