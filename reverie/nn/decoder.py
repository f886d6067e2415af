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
    """One network for each observation of the environment, or with `shared` one for all vectors together."""

    def __init__(
        self,
        image: ImageConfig,
        vector: MLPConfig,
        std: float,
        vector_std: float,
        average: bool,
        spec: EnvSpec,
        feature_size: int,
        shared: bool = False,
    ) -> None:
        super().__init__()
        self.average = average
        spaces = dict(sorted(spec.obs.items()))
        self.std = {name: std if space.is_image else vector_std for name, space in spaces.items()}
        vectors = {name: space.shape[0] for name, space in spaces.items() if shared and not space.is_image}
        self.names, self.vectors = [name for name in spaces if name not in vectors], vectors
        heads = {
            name: image.image_decoder(feature_size, spaces[name].shape)
            if spaces[name].is_image
            else MLP(vector, feature_size, spaces[name].shape[0])
            for name in self.names
        }
        self.heads = nn.ModuleDict({module_name(name): head for name, head in heads.items()})
        if vectors:
            self.dense = MLP(vector, feature_size, sum(vectors.values()))

    def decode(self, features: Float[Tensor, "*b F"]) -> dict[str, Tensor]:
        """Return the mean of each observation, normalized as networks see it."""
        means = {name: head(features) for name, head in zip(self.names, self.heads.values())}
        if self.vectors:
            means |= zip(self.vectors, self.dense(features).split(list(self.vectors.values()), -1))
        return means

    def log_prob(self, name: str, obs: Float[Tensor, "*b n"], mean: Float[Tensor, "*b n"]) -> Float[Tensor, "*b"]:
        """`ln N(o; mean, std)` of the flattened observation `name`, in nats."""
        return isotropic_log_prob(obs, mean, self.std[name])

    def error(self, features: Float[Tensor, "B T F"], obs: dict[str, Tensor]) -> Float[Tensor, "B T"]:
        """`-ln N(o; decode(features), std)`, summed over all observations.

        With `average` it is the mean of `(o - decode(features))^2` over the numbers of an observation instead.
        """
        pairs = {name: (obs[name].flatten(2), mean.flatten(2)) for name, mean in self.decode(features).items()}
        if self.average:
            return torch.stack([mean_square(*pair) for pair in pairs.values()]).sum(0)
        return torch.stack([-self.log_prob(name, *pair) for name, pair in pairs.items()]).sum(0)
