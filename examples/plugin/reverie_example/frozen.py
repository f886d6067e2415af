"""A network that was trained elsewhere, frozen, as the encoder of images.

Its weights come from your file when a run begins. From then on they lie with the agent, and the file is not needed.
They never change, and the network stays in evaluation mode. The rest of the model learns on its features.

    class ResNetConfig(FrozenConfig):
        def network(self) -> nn.Module:
            net = torchvision.models.resnet18()
            net.fc = nn.Identity()
            return net
"""

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from reverie.config.checks import at_least
from reverie.errors import UserError
from reverie.nn.conv import ConvConfig
from reverie.nn.image import ImageConfig, ImageEncoder


@dataclass(frozen=True)
class FrozenConfig(ImageConfig, abstract=True):
    """A frozen encoder. `network` is yours; the defaults are those of networks that were trained on ImageNet."""

    plain = True

    weights: str = ""
    """A .safetensors file, or a state dict that `torch.save` wrote."""
    size: int = field(default=224, metadata=at_least(1))
    """Height and width to which the images are resized."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """The mean color, of colors from 0 to 1."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """The standard deviation of colors."""
    decoder: ImageConfig = field(default_factory=ConvConfig)
    """What draws images, where this config is that of a decoder too. It learns."""

    def network(self) -> nn.Module:
        """Return the network, from images (N, 3, size, size) to features (N, ...), with any weights."""
        raise NotImplementedError

    def image_encoder(self, shape: tuple[int, ...]) -> "FrozenEncoder":
        if shape[2] != 3:
            raise UserError(f"A frozen encoder sees colors, and these images have {shape[2]} channels.")
        return FrozenEncoder(self, self.network())

    def image_decoder(self, size_in: int, shape: tuple[int, ...]) -> nn.Module:
        return self.decoder.image_decoder(size_in, shape)


class FrozenEncoder(ImageEncoder):
    """Images (*b, height, width, 3) in [-0.5, 0.5] to the features of the frozen network."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: FrozenConfig, network: nn.Module) -> None:
        super().__init__()
        self.size, self.network = config.size, network.requires_grad_(False).eval()
        self.register_buffer("mean", torch.tensor(config.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(config.std)[:, None, None])
        read(Path(config.weights), network)
        with torch.no_grad():
            self.size_out = self.network(torch.zeros(1, 3, self.size, self.size)).flatten(1).shape[1]

    def train(self, mode: bool = True) -> "FrozenEncoder":
        """Stay in evaluation mode: neither dropout nor the statistics of a batch."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        pixels = (images + 0.5).flatten(0, -4).permute(0, 3, 1, 2)
        pixels = F.interpolate(pixels, (self.size, self.size), mode="bilinear", antialias=True, align_corners=False)
        return self.network((pixels - self.mean) / self.std).flatten(1).unflatten(0, images.shape[:-3])


def read(file: Path, network: nn.Module) -> None:
    """Load weights. Without the file they are not numbers until those of a run's folder replace them.

    So an agent is loaded where the file is not, and nothing can be learned without it.
    """
    if not file.is_file():
        warnings.warn(f"There is no file '{file}' of frozen weights: only a saved run can be read now.", stacklevel=2)
        for weight in network.parameters():
            weight.fill_(float("nan"))
        return
    try:
        saved = load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True)
        network.load_state_dict(saved)
    except Exception as error:  # a foreign file may raise anything
        raise UserError(f"{file} does not hold the weights of the frozen network: {error}") from None


@dataclass(frozen=True)
class FrozenSmallConfig(FrozenConfig):
    """A small network in the place of a large one, so that the example runs anywhere."""

    size: int = 32

    def network(self) -> nn.Module:
        layers = [nn.Conv2d(3, 8, 4, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 4, 2), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2))
