"""The conditional variational autoencoder: a distribution over images given a condition.

    ln p(y | x) >= E_{q(z | x, y)} ln p(y | x, z) - KL(q(z | x, y) || p(z | x))

Sohn 2015, Eq. 4; the prior is N(0, I) or learned. With the previous frame and action as the condition it is a
stochastic forward model in pixel space.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.dynamics.latents import GaussianStats
from reverie.dynamics.rollout import prev_action
from reverie.errors import UserError
from reverie.models.generative import Condition, GenerativeConfig, GenerativeModel, Images
from reverie.nn.encoder import Encoder, EncoderConfig
from reverie.nn.mlp import MLP, MLPConfig
from reverie.spaces import EnvSpec, Space
from reverie.types import Batch


@dataclass(frozen=True)
class CVAEConfig(GenerativeConfig):
    """A variational autoencoder of images given a condition."""

    given: Literal["past", "vectors"] = "past"
    """The condition: `past` is the previous frame and action, `vectors` are the other observations."""
    hidden: MLPConfig = field(default_factory=lambda: MLPConfig(1, 256))
    """Layers of posterior and prior between the encodings and the latent."""
    prior: Literal["standard", "learned"] = "standard"
    """The prior of z: `standard` is N(0, I), `learned` depends on the condition."""

    @property
    def least_length(self) -> int:
        return 2 if self.given == "past" else 1

    def build(self, spec: EnvSpec) -> "CVAE":
        return CVAE(self, spec)


class CVAE(GenerativeModel):
    """`q(z | x, y)`, `p(z | x)` and `p(y | x, z)`, where x is the condition and y the image."""

    def __init__(self, config: CVAEConfig, spec: EnvSpec) -> None:
        super().__init__(config, spec)
        self.given = config.given
        self.reader = Encoder(EncoderConfig(config.image, config.hidden), self._condition_spec(spec))
        self.encoder = config.image.image_encoder(self.shape)
        size = self.reader.size_out
        self.head = MLP(config.hidden, self.encoder.size_out + size, self.latent.output_size)
        self.prior_net = MLP(config.hidden, size, self.latent.output_size) if config.prior == "learned" else None
        self.decoder = config.image.image_decoder(self.latent.sample_size + size, self.shape)

    def _condition_spec(self, spec: EnvSpec) -> EnvSpec:
        if self.given == "past":
            action = {"action": Space((spec.action.size,), "float32")} if spec.action.size else {}
            return EnvSpec({self.name: spec.obs[self.name]} | action, spec.action, spec.repeat)
        vectors = {name: space for name, space in spec.obs.items() if not space.is_image}
        if not vectors:
            raise UserError("These data have no vector beside the image: take --model.given past.")
        return EnvSpec(vectors, spec.action, spec.repeat)

    def condition(self, batch: Batch) -> Float[Tensor, "B T C"]:
        """Encode the condition of each image; given the past, column 0 is meaningless."""
        obs = self.normalize(batch.obs)
        if self.given == "vectors":
            return self.reader({name: obs[name] for name in self.reader.vectors})
        image = obs[self.name]
        previous = torch.cat([torch.zeros_like(image[:, :1]), image[:, :-1]], dim=1)
        return self.reader({self.name: previous, "action": prev_action(batch.action)})

    def mask(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Leave out the first frames of sequences and episodes if the past is given."""
        mask = super().mask(batch)
        if self.given == "past":
            mask = mask * ~batch.is_first
            mask[:, 0] = 0
        return mask

    def prior(self, condition: Condition) -> GaussianStats:
        if self.prior_net is None:
            return super().prior(condition)
        return self.latent.stats(self.prior_net(condition))

    def posterior(self, image: Images, condition: Condition) -> GaussianStats:
        return self.latent.stats(self.head(torch.cat([self.encoder(image), condition], dim=-1)))

    def decode(self, sample: Float[Tensor, "*b Z"], condition: Condition) -> Images:
        return self.to_likelihood(self.decoder(torch.cat([sample, condition], dim=-1)))
