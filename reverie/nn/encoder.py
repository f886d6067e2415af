"""The encoder from observations to one embedding: a network for each image, and one for all vectors together."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.checks import Checked, between
from reverie.errors import UserError
from reverie.nn.conv import ConvConfig
from reverie.nn.image import ImageConfig
from reverie.nn.mlp import MLP, MLPConfig, hidden_layers, initialize
from reverie.nn.normalize import module_name
from reverie.spaces import EnvSpec


@dataclass(frozen=True)
class EncoderConfig(Checked):
    """Networks of images and of vectors; only those that the environment needs are built."""

    image: ImageConfig = field(default_factory=ConvConfig)
    """The network of each image."""
    vector: MLPConfig = field(default_factory=MLPConfig)
    """The network of all vectors together."""
    normalize: bool = False
    """Set the mean and scale of images from data (`nn.normalize`); the published agents do not."""
    bits: int = field(default=8, metadata=between(1, 8))
    """Bits of a color that the networks see and draw. PlaNet has 5, which hides shades that a model need not learn."""
    linear_output: bool = True
    """Whether a linear layer follows the hidden layers of the vectors' network; not in DreamerV3."""


class Encoder(nn.Module):
    """Encodes normalized observations with leading axes `*b` to embeddings `(*b, size_out)`, in order of names."""

    def __init__(self, config: EncoderConfig, spec: EnvSpec) -> None:
        super().__init__()
        if config.image.plain and (config.normalize or config.bits < 8):
            raise UserError(
                "This encoder needs images as they are: take --model.encoder.normalize false, and all 8 bits."
            )
        spaces = dict(sorted(spec.obs.items()))
        images = {name: config.image.image_encoder(space.shape) for name, space in spaces.items() if space.is_image}
        self.names = list(images)
        self.images = nn.ModuleDict({module_name(name): net for name, net in images.items()})
        self.vectors = [name for name, space in spaces.items() if not space.is_image]
        self.size_out = sum(net.size_out for net in images.values())
        if self.vectors:
            size_in = sum(spaces[name].shape[0] for name in self.vectors)
            if config.linear_output:
                self.dense: nn.Module = MLP(config.vector, size_in, config.vector.units)
            else:
                self.dense = nn.Sequential(*hidden_layers(config.vector, size_in))
                initialize(self.dense, config.vector.init)
            self.size_out += config.vector.units if config.linear_output or config.vector.layers else size_in

    def forward(self, obs: dict[str, Tensor]) -> Float[Tensor, "*b E"]:
        parts = [net(obs[name]) for name, net in zip(self.names, self.images.values())]
        if self.vectors:
            parts.append(self.dense(torch.cat([obs[name] for name in self.vectors], dim=-1)))
        return torch.cat(parts, dim=-1)
