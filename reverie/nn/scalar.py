"""The family of networks that predict one number, such as a reward or a value, as a distribution."""

from typing import Protocol

from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.choices import Choice


class ScalarDistribution(Protocol):
    """A distribution of one number for each of the leading axes `*b`."""

    @property
    def mean(self) -> Float[Tensor, "*b"]: ...

    def nats(self, target: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        """Return the loss of each target, in nats: minus its log-likelihood."""


class Scalar(nn.Module):
    """A network from features `(*b, F)` to a distribution; called, it gives the mean `(*b, 1)`."""

    def distribution(self, features: Float[Tensor, "*b F"]) -> ScalarDistribution:
        raise NotImplementedError

    def forward(self, features: Float[Tensor, "*b F"]) -> Float[Tensor, "*b 1"]:
        return self.distribution(features).mean[..., None]


class ScalarConfig(Choice):
    """The family of networks that predict one number."""

    def scalar(self, size_in: int) -> Scalar:
        raise NotImplementedError
