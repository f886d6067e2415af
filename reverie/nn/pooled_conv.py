"""DreamerV3's convolutions: kernels of 5 with pooling, and back by nearest upsampling, for square images of any size.

Every layer is a convolution, then `max` over 2x2 pixels, RMS normalization over channels, and the nonlinearity. 64x64
images get the published network (Hafner 2023, published code): heights 64-32-16-8-4 and back. For other sizes the
encoder halves as long as 8 pixels or more are left, so an image of 10x10 pixels has one layer.
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.checks import at_least
from reverie.errors import UserError
from reverie.nn.block import BlockLinear
from reverie.nn.image import ImageConfig, ImageEncoder
from reverie.nn.mlp import ACTIVATIONS, NORMS, Activation, Init, initialize

KERNEL, SMALLEST = 5, 8
"""The kernel's size, and the least height that is halved."""


@dataclass(frozen=True)
class PooledConvConfig(ImageConfig):
    """Convolutions with pooling; the decoder mirrors the encoder."""

    depth: int = field(default=16, metadata=at_least(1))
    """Channels of every layer, times its multiplier."""
    multipliers: tuple[int, ...] = (2, 3, 4, 4)
    """Multipliers of the layers, from the image on. Small images use the first ones."""
    full_size: bool = False
    """Whether the first layer keeps the size of the image, as in the agent behind the published curves."""
    strided: bool = False
    """Whether the encoder halves by a stride of 2 instead of pooling: an option of the published code, and faster."""
    units: int = field(default=256, metadata=at_least(1))
    """Half of the decoder's hidden units between the features that are not `deter` and the smallest map."""
    deter: int = field(default=0, metadata=at_least(0))
    """How many of the first features reach the decoder's smallest map by a block-diagonal layer: the deterministic
    state of the dynamics. At 0 all features pass through the hidden layer."""
    blocks: int = field(default=8, metadata=at_least(1))
    """Blocks of that layer; fewer where 8 do not divide the channels."""
    activation: Activation = "silu"
    """The nonlinearity after each layer."""
    init: Init = "truncated_normal"
    """The distribution of the initial weights (`nn.mlp.initialize`)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.multipliers or min(self.multipliers) < 1:
            raise UserError(f"`multipliers` of PooledConv are {self.multipliers}: name one or more, each 1 or more.")

    def image_encoder(self, shape: tuple[int, ...]) -> "PooledConvEncoder":
        return PooledConvEncoder(self, shape[0], shape[2])

    def image_decoder(self, size_in: int, shape: tuple[int, ...]) -> "PooledConvDecoder":
        return PooledConvDecoder(self, size_in, shape[0], shape[2])

    def layers(self, image_size: int) -> tuple[list[int], list[int]]:
        """Return the heights of the image and of all layers, and the channels of the layers."""
        heights = [image_size] * (1 + self.full_size)
        while len(heights) <= len(self.multipliers) and (heights[-1] >= SMALLEST or len(heights) == 1):
            heights.append(math.ceil(heights[-1] / 2))
        return heights, [self.depth * multiplier for multiplier in self.multipliers[: len(heights) - 1]]


class ChannelNorm(nn.RMSNorm):
    """RMS normalization over the channels of maps."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-4)

    def forward(self, maps: Float[Tensor, "N C height width"]) -> Float[Tensor, "N C height width"]:  # type: ignore[override]
        return super().forward(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class UpsampledConv(nn.Conv2d):
    """Nearest upsampling to twice the height, then a convolution of kernel 5, without the enlarged maps.

    A row of the result sees three rows of the small map. An even row has the weights (w0 + w1, w2 + w3, w4), an odd one
    (w0, w1 + w2, w3 + w4). The same holds for columns. So it is a convolution of kernel 3 to four groups of channels,
    which are interleaved (Shi 2016). It computes the same up to rounding, with 36 % of the operations.
    """

    bias: nn.Parameter  # pyrefly: ignore

    def __init__(self, before: int, after: int) -> None:
        super().__init__(before, after, KERNEL, padding="same")

    def forward(self, maps: Float[Tensor, "N I height width"]) -> Float[Tensor, "N O height2 width2"]:  # type: ignore[override]
        kernel = _merge_taps(_merge_taps(self.weight, 3), 3)  # (row parity, column parity, O, I, 3, 3)
        kernel = kernel.flatten(0, 2).contiguous(memory_format=torch.channels_last)
        groups = F.conv2d(maps, kernel, self.bias.repeat(4), padding=1).permute(0, 2, 3, 1)
        rows = groups.unflatten(3, (2, 2 * self.out_channels)).transpose(2, 3).flatten(1, 2)
        return rows.unflatten(3, (2, self.out_channels)).flatten(2, 3).permute(0, 3, 1, 2)


def _merge_taps(kernel: Tensor, dim: int) -> Tensor:
    """Return the kernels of 3 taps for even and odd positions, stacked in front, of a kernel with 5 taps in `dim`."""
    a, b, c, d, e = kernel.unbind(dim)
    return torch.stack([torch.stack([a + b, c + d, e], dim), torch.stack([a, b + c, d + e], dim)])


class PooledConvEncoder(ImageEncoder):
    """Images `(*b, height, width, C)` in [-0.5, 0.5] to vectors `(*b, size_out)`."""

    def __init__(self, config: PooledConvConfig, image_size: int, channels: int) -> None:
        super().__init__()
        heights, widths = config.layers(image_size)
        stack: list[nn.Module] = []
        for (before, after), (larger, smaller) in zip(pairwise([channels, *widths]), pairwise(heights)):
            halves = smaller < larger
            stride = 2 if halves and config.strided else 1
            pool = [nn.MaxPool2d(2, ceil_mode=True)] if halves and not config.strided else []
            stack += [nn.Conv2d(before, after, KERNEL, stride, padding=KERNEL // 2), *pool, ChannelNorm(after)]
            stack += [ACTIVATIONS[config.activation]()]
        self.net = nn.Sequential(*stack).to(memory_format=torch.channels_last)  # pyrefly: ignore
        self.size_out = widths[-1] * heights[-1] ** 2
        initialize(self, config.init)

    def forward(self, images: Float[Tensor, "*b height width C"]) -> Float[Tensor, "*b E"]:
        leading = images.shape[:-3]
        maps = self.net(images.flatten(0, -4).permute(0, 3, 1, 2))
        return maps.flatten(1).unflatten(0, leading)


class PooledConvDecoder(nn.Module):
    """Vectors `(*b, size_in)` to the mean of images `(*b, height, width, C)`, in [-0.5, 0.5] by a logistic function."""

    def __init__(self, config: PooledConvConfig, size_in: int, image_size: int, channels: int) -> None:
        super().__init__()
        if config.deter > size_in:
            raise UserError(f"`deter` of PooledConv is {config.deter}, but there are {size_in} features: take fewer.")
        self.heights, widths = config.layers(image_size)
        self.deter, others, self.channels = config.deter, size_in - config.deter, widths[-1]
        self.blocks = math.gcd(config.blocks, self.channels)
        size, activation = self.heights[-1] ** 2 * self.channels, ACTIVATIONS[config.activation]
        if self.deter:
            self.from_deter = BlockLinear(self.deter, size, self.blocks)
        if others:
            hidden = [nn.Linear(others, 2 * config.units), *NORMS["rms"](2 * config.units), activation()]
            self.from_others = nn.Sequential(*hidden, nn.Linear(2 * config.units, size))
        self.start = nn.Sequential(ChannelNorm(self.channels), activation())
        layers: list[nn.Module] = []
        rising = pairwise(self.heights[::-1])
        for (before, after), (smaller, larger) in zip(pairwise([*widths[::-1], channels]), rising):
            twice = larger == 2 * smaller
            conv = UpsampledConv(before, after) if twice else nn.Conv2d(before, after, KERNEL, padding="same")
            last = len(layers) == len(self.heights) - 2
            layers.append(conv if last else nn.Sequential(conv, ChannelNorm(after), activation()))
        self.layers = nn.ModuleList(layers)
        self.layers.to(memory_format=torch.channels_last)  # pyrefly: ignore
        initialize(self, config.init)

    def forward(self, features: Float[Tensor, "*b F"]) -> Float[Tensor, "*b height width C"]:
        leading, features = features.shape[:-1], features.flatten(0, -2)
        maps = self.start(self._smallest_map(features).permute(0, 3, 1, 2))
        for (smaller, larger), layer in zip(pairwise(self.heights[::-1]), self.layers, strict=True):
            if smaller < larger < 2 * smaller:
                maps = F.interpolate(maps, size=(larger, larger))
            maps = layer(maps)
        return (maps.permute(0, 2, 3, 1).sigmoid() - 0.5).unflatten(0, leading)

    def _smallest_map(self, features: Float[Tensor, "N F"]) -> Float[Tensor, "N height width C"]:
        """Return the map that decoding begins with. A block of the layer from `deter` gives a group of channels."""
        side, parts = self.heights[-1], []
        if self.deter:
            blocks = self.from_deter(features[:, : self.deter]).unflatten(-1, (self.blocks, side, side, -1))
            parts.append(blocks.permute(0, 2, 3, 1, 4).flatten(3))
        if self.deter < features.shape[-1]:
            parts.append(self.from_others(features[:, self.deter :]).unflatten(-1, (side, side, self.channels)))
        return torch.stack(parts).sum(0)
