"""The decoder of observations from features, for `signals.reconstruction`."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.math.distributions import isotropic_log_prob, mean_square
from reverie.nn.image import ImageConfig
from reverie.nn.mlp import MLP, MLPConfig
from reverie.nn.normalize import module_name
from reverie.spaces import EnvSpec


class Decoder(nn.Module):
    """One network for each observation of the environment."""

    def __init__(
        self, image: ImageConfig, vector: MLPConfig, std: float, average: bool, spec: EnvSpec, feature_size: int
    ) -> None:
        super().__init__()
        self.std, self.average = std, average
        spaces = dict(sorted(spec.obs.items()))
        self.names = list(spaces)
        heads = {
            name: image.image_decoder(feature_size, space.shape)
            if space.is_image
            else MLP(vector, feature_size, space.shape[0])
            for name, space in spaces.items()
        }
        self.heads = nn.ModuleDict({module_name(name): head for name, head in heads.items()})

    def decode(self, features: Float[Tensor, "*b F"]) -> dict[str, Tensor]:
        """Return the mean of each observation, normalized as networks see it."""
        return {name: head(features) for name, head in zip(self.names, self.heads.values())}

    def log_prob(self, obs: Float[Tensor, "*b n"], mean: Float[Tensor, "*b n"]) -> Float[Tensor, "*b"]:
        """`ln N(o; mean, std)` of one flattened observation, in nats."""
        return isotropic_log_prob(obs, mean, self.std)

    def error(self, features: Float[Tensor, "B T F"], obs: dict[str, Tensor]) -> Float[Tensor, "B T"]:
        """`-ln N(o; decode(features), std)`, summed over all observations.

        With `average` it is the mean of `(o - decode(features))^2` over the numbers of an observation instead.
        """
        pairs = [(obs[name].flatten(2), mean.flatten(2)) for name, mean in self.decode(features).items()]
        if self.average:
            return torch.stack([mean_square(*pair) for pair in pairs]).sum(0)
        return torch.stack([-self.log_prob(*pair) for pair in pairs]).sum(0)
