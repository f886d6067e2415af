"""The contract of latent dynamics: five methods, and the noise that they take."""

from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.config.choices import Choice

S = TypeVar("S")
Noise = Float[Tensor, "*b Z"] | None
"""Standard noise of one step; None takes the mean or mode."""


class DynamicsConfig(Choice):
    """The family of latent models."""

    def build(self, embed_size: int, action_size: int) -> "Dynamics":
        """Return the model for embeddings of E = `embed_size` and actions of A = `action_size` numbers."""
        raise NotImplementedError


@runtime_checkable
class Dynamics(Protocol[S]):
    """A latent model. `S` is a frozen dataclass of tensors that share their leading axes `*b`.

    A step is a deterministic, differentiable function of its noise. `feature_size` is F; `noise_size` is Z.
    """

    feature_size: int
    noise_size: int

    def initial(self, batch: int) -> S:
        """Return the belief before the first observation, leading axis (batch,)."""

    def predict(self, state: S, action: Float[Tensor, "*b A"], noise: Noise) -> S:
        """Return the prior `s_t ~ p(s_t | s_{t-1}, a_{t-1})`."""

    def correct(self, prior: S, embed: Float[Tensor, "*b E"], noise: Noise) -> S:
        """Return the posterior `s_t ~ q(s_t | prior_t, e_t)`."""

    def features(self, state: S) -> Float[Tensor, "*b F"]:
        """Return the input of heads, policies and values."""

    def divergence(self, posterior: S, prior: S) -> Float[Tensor, "*b"]:
        """Return KL(posterior || prior) in nats if stochastic, the squared distance if not."""

    def noise(self, *shape: int, generator: torch.Generator) -> Float[Tensor, "*shape Z"]:
        """Draw standard noise for steps with leading axes `shape`, on the generator's device."""


@runtime_checkable
class HasFeatureStd(Protocol):
    """Dynamics that report a standard deviation per group of features (one-hot groups) instead of per dimension."""

    def feature_std(self, features: Float[Tensor, "N F"]) -> Float[Tensor, " K"]:
        """Return the standard deviation over N features of each dimension or group."""
