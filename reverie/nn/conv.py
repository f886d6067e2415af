"""Convolutions between images and vectors: PlaNet's encoder and decoder, for images of any even size.

64x64 images get the published network (Ha & Schmidhuber 2018; Hafner 2019): kernels 4, stride 2, no padding, sizes
64-31-14-6-2, and back by kernels 5, 5, 6, 6 from 1x1. For other sizes the encoder halves down to at least 2x2, and the
decoder mirrors it.

Departures: none in the numbers. For speed on a CPU, images (height, width, channels) are channels-last maps without a
copy, 10-30 % faster than PyTorch's default order. `TransposedConv` has faster forms of two layers.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.checks import at_least
from reverie.errors import UserError
from reverie.nn.image import ImageConfig, ImageEncoder
from reverie.nn.mlp import ACTIVATIONS, Activation, initialize

KERNEL = 4


@dataclass(frozen=True)
class ConvConfig(ImageConfig):
    """Layers of `depth`, 2 `depth`, 4 `depth`, ... channels."""

    depth: int = field(default=32, metadata=at_least(1))
    """Channels of the first layer; every further one has twice as many."""
    activation: Activation = "relu"
    """The nonlinearity after each layer."""

    def image_encoder(self, shape: tuple[int, ...]) -> "ConvEncoder":
        return ConvEncoder(self, shape[0], shape[2])

    def image_decoder(self, size_in: int, shape: tuple[int, ...]) -> "ConvDecoder":
        return ConvDecoder(self, size_in, shape[0], shape[2])


def sizes(image_size: int) -> list[int]:
    """Return the heights of the image and of the encoder's layers: `(n - 4) // 2 + 1` each, at least 2."""
    heights = [image_size]
    while heights[-1] >= 6 and len(heights) < 5:
        heights.append((heights[-1] - KERNEL) // 2 + 1)
    if len(heights) < 2:
        raise UserError(f"An image of {image_size} pixels is too small to encode: take --env.image_size 16 or more.")
    return heights


class ConvEncoder(ImageEncoder):
    """Images `(*b, height, width, C)` in [-0.5, 0.5] to vectors `(*b, size_out)`."""

    def __init__(self, config: ConvConfig, image_size: int, channels: int) -> None:
        super().__init__()
        heights = sizes(image_size)
        widths = [channels] + [config.depth * 2**i for i in range(len(heights) - 1)]
        stack: list[nn.Module] = []
        for before, after in pairwise(widths):
            stack += [nn.Conv2d(before, after, KERNEL, stride=2), ACTIVATIONS[config.activation]()]
        self.net = nn.Sequential(*stack).to(memory_format=torch.channels_last)  # pyrefly: ignore
        self.size_out = widths[-1] * heights[-1] ** 2
        initialize(self)

    def forward(self, images: Float[Tensor, "*b height width C"]) -> Float[Tensor, "*b E"]:
        leading = images.shape[:-3]
        maps = self.net(images.flatten(0, -4).permute(0, 3, 1, 2))
        return maps.flatten(1).unflatten(0, leading)


class TransposedConv(nn.ConvTranspose2d):
    """A transposed convolution of stride 2 on channels-last maps, with faster forms of two special cases.

    From a 1x1 map it is a matrix product. To at most 4 channels with an even kernel it is a sub-pixel convolution (Shi
    2016). That interleaves four groups of channels, one for each parity of row and column. It takes 54 ms instead of
    86 ms, forward and backward, for 384 images of 64x64 from 16 channels on two cores.
    """

    bias: nn.Parameter  # pyrefly: ignore

    def forward(self, maps: Float[Tensor, "N I height width"]) -> Float[Tensor, "N O height2 width2"]:  # type: ignore[override]
        padded = self.output_padding[0] != 0
        if maps.shape[-2:] == (1, 1) and not padded:
            return self._from_point(maps[:, :, 0, 0])
        if self.out_channels <= 4 and self.kernel_size[0] % 2 == 0 and not padded and not maps.is_cuda:
            return self._interleaved(maps)
        return super().forward(maps)

    def _from_point(self, maps: Float[Tensor, "N I"]) -> Float[Tensor, "N O k k"]:
        kernel = self.weight.permute(0, 2, 3, 1)
        patches = (maps @ kernel.flatten(1)).unflatten(1, kernel.shape[1:]) + self.bias
        return patches.permute(0, 3, 1, 2)

    def _interleaved(self, maps: Float[Tensor, "N I height width"]) -> Float[Tensor, "N O height2 width2"]:
        half = self.kernel_size[0] // 2
        # Output row 2i + a is sum_j x[i - j] w[2j + a]: a plain convolution with the flipped w for each parity a.
        kernel = self.weight.unflatten(3, (half, 2)).unflatten(2, (half, 2)).flip(2, 4)
        kernel = kernel.permute(3, 5, 1, 0, 2, 4).flatten(0, 2).contiguous(memory_format=torch.channels_last)
        maps = F.conv2d(maps, kernel, padding=half - 1).permute(0, 2, 3, 1)
        maps = maps.unflatten(3, (2, 2, self.out_channels)).permute(0, 1, 3, 2, 4, 5)
        return (maps.flatten(3, 4).flatten(1, 2) + self.bias).permute(0, 3, 1, 2)


class ConvDecoder(nn.Module):
    """Vectors `(*b, size_in)` to the mean of images `(*b, height, width, C)`."""

    def __init__(self, config: ConvConfig, size_in: int, image_size: int, channels: int) -> None:
        super().__init__()
        heights = sizes(image_size)[::-1]
        widths = [config.depth * 2**i for i in reversed(range(len(heights) - 1))]
        kernels = [b - 2 * (a - 1) for a, b in pairwise(heights)]  # 4, or 5 where the encoder skipped a row
        self.start = heights[0]
        if image_size == 64:  # the published decoder
            kernels, self.start, widths[0] = [5, 5, 6, 6], 1, 32 * config.depth
        self.width_in = widths[0]
        self.dense = nn.Linear(size_in, self.width_in * self.start**2)
        layers: list[nn.Module] = []
        for (before, after), kernel in zip(pairwise([*widths, channels]), kernels):
            layers += [TransposedConv(before, after, kernel, stride=2), ACTIVATIONS[config.activation]()]
        self.net = nn.Sequential(*layers[:-1]).to(memory_format=torch.channels_last)  # pyrefly: ignore
        initialize(self)

    def forward(self, features: Float[Tensor, "*b F"]) -> Float[Tensor, "*b height width C"]:
        leading = features.shape[:-1]
        maps = self.dense(features.flatten(0, -2)).unflatten(-1, (self.start, self.start, self.width_in))
        images = self.net(maps.permute(0, 3, 1, 2))
        return images.permute(0, 2, 3, 1).unflatten(0, leading)
