"""The contract of a learning signal: one reason for a world model to represent something.

A signal may own a head that others read, such as a reward network. The protocols below say what each head can do. The
world model finds a head by its methods, so the name of the signal in the config is free.
"""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.choices import Choice
from reverie.spaces import EnvSpec
from reverie.types import Metrics, Trace


@runtime_checkable
class Signal(Protocol):
    """A module that computes a loss from a trace; may own heads (a decoder, a reward network, an inverse model)."""

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        """The loss of each step, unreduced and unweighted, in nats where it is a likelihood."""
        ...


class SignalConfig(Choice):
    """The family of learning signals."""

    def build(self, spec: EnvSpec, feature_size: int) -> nn.Module:
        """The signal, a module, for what is observed and features of F numbers."""
        raise NotImplementedError


@runtime_checkable
class HasMetrics(Protocol):
    """A signal that measures more than its loss."""

    def metrics(self, trace: Trace) -> Metrics:
        """What is logged as `NAME/metric`, NAME being the signal's in the model; called without gradients."""
        ...


@runtime_checkable
class RewardHead(Protocol):
    """A signal that predicts the reward."""

    def predict_reward(self, features: Float[Tensor, "*b F"]) -> Float[Tensor, "*b"]:
        """The expected reward of the step, in the model's unit."""
        ...

    def to_env_units(self, reward: Tensor) -> Tensor:
        """Rewards, or sums of rewards, from the model's unit to the environment's."""
        ...


@runtime_checkable
class ContinuationHead(Protocol):
    """A signal that predicts whether the episode goes on."""

    def predict_continuation(self, features: Float[Tensor, "*b F"]) -> Float[Tensor, "*b"]:
        """The probability that the step is not terminal, in [0, 1]."""
        ...


@runtime_checkable
class Decodes(Protocol):
    """A signal with a decoder, whatever it is trained on."""

    def decode(self, features: Float[Tensor, "*b F"]) -> dict[str, Tensor]:
        """The mean of each observation, normalized as networks see it."""
        ...


@runtime_checkable
class ReconstructionHead(Protocol):
    """A signal with a decoder that is trained on the features of what was observed."""

    def reconstruct(self, features: Float[Tensor, "*b F"]) -> dict[str, Tensor]:
        """The mean of each observation, normalized as networks see it."""
        ...

    def log_prob(self, obs: Float[Tensor, "*b n"], mean: Float[Tensor, "*b n"]) -> Float[Tensor, "*b"]:
        """Log-likelihood of one normalized, flattened observation given its mean, in nats."""
        ...


@runtime_checkable
class SimilarityHead(Protocol):
    """A signal that learns how similar two features are."""

    def similarity(self, x: Float[Tensor, "*b M F"], y: Float[Tensor, "*b N F"]) -> Float[Tensor, "*b M N"]:
        """The similarity of each prediction in `x` to each encoding in `y`."""
        ...
