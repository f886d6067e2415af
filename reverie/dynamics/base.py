"""The dynamics contract: five methods that hold every latent model, and the noise they take."""

from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

S = TypeVar("S")


@runtime_checkable
class Dynamics(Protocol[S]):
    """A latent model. `S` is a frozen dataclass of tensors that share their leading axes `*b`.

    A step is a deterministic, differentiable function of its noise; `noise=None` takes the mean or mode.
    `feature_size` is F; `noise_size` is Z, the last axis of what `noise` draws.
    """

    feature_size: int
    noise_size: int

    def initial(self, batch: int) -> S:
        """The belief before anything was seen, leading axis (batch,)."""
        ...

    def predict(self, state: S, action: Float[Tensor, "*b A"], noise: Float[Tensor, "*b Z"] | None) -> S:
        """Prior `s_t ~ p(s_t | s_{t-1}, a_{t-1})`."""
        ...

    def correct(self, prior: S, embed: Float[Tensor, "*b E"], noise: Float[Tensor, "*b Z"] | None) -> S:
        """Posterior `s_t ~ q(s_t | prior_t, e_t)`."""
        ...

    def features(self, state: S) -> Float[Tensor, "*b F"]:
        """What heads, policies and values read."""
        ...

    def divergence(self, posterior: S, prior: S) -> Float[Tensor, "*b"]:
        """KL(posterior || prior) in nats if stochastic, squared distance if not."""
        ...

    def noise(self, *shape: int, generator: torch.Generator) -> Float[Tensor, "*shape Z"]:
        """Standard noise for steps with leading axes `shape`, on the generator's device."""
        ...


@runtime_checkable
class HasFeatureStd(Protocol):
    """Dynamics whose features are not all single numbers: of a one-hot group no class alone says what is alive."""

    def feature_std(self, features: Float[Tensor, "N F"]) -> Float[Tensor, " K"]:
        """The standard deviation over N features of each part of them."""
        ...
