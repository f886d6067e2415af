"""The contract of a learning signal: one reason for a world model to represent something.

A signal may own a head that others read, such as a reward network. The world model finds a head by its methods, which
the protocols below list, so the name of the signal in the config is free.
"""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.choices import Choice
from reverie.spaces import EnvSpec
from reverie.types import Metrics, Trace


@runtime_checkable
class Signal(Protocol):
    """A module that computes a loss from a trace."""

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        """Return the loss of each step, unreduced and unweighted, in nats where it is a likelihood."""


class SignalConfig(Choice):
    """The family of learning signals."""

    def build(self, spec: EnvSpec, feature_size: int) -> nn.Module:
        """Return the signal for the observations and actions of `spec` and features of F = `feature_size` numbers."""
        raise NotImplementedError

    def build_with_embed(self, spec: EnvSpec, feature_size: int, embed_size: int) -> nn.Module:
        """Return the same where the size E of embeddings is known too. A signal that reads embeddings overrides it."""
        return self.build(spec, feature_size)


@runtime_checkable
class HasMetrics(Protocol):
    """A signal that measures more than its loss."""

    def metrics(self, trace: Trace) -> Metrics:
        """Return scalars by name, called without gradients. The log shows them under the signal's name."""


@runtime_checkable
class RewardHead(Protocol):
    """A signal that predicts the reward."""

    def predict_reward(self, features: Float[Tensor, "*b F"]) -> Float[Tensor, "*b"]:
        """Return the expected reward of the step, in the model's unit."""

    def to_env_units(self, reward: Tensor) -> Tensor:
        """Convert rewards, or sums of rewards, from the model's unit to the environment's."""


@runtime_checkable
class HasSquash(Protocol):
    """A reward head that predicts a nonlinear function of rewards, which a sum of predictions cannot undo."""

    def unsquash(self, reward: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        """Undo the function for predictions of single steps; `to_env_units` comes after it."""


@runtime_checkable
class RewardTarget(Protocol):
    """A signal that knows what a reward head learns from recorded rewards."""

    def target(self, reward: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        """Convert rewards from the environment's unit to the model's."""


@runtime_checkable
class ContinuationHead(Protocol):
    """A signal that predicts whether the episode goes on."""

    def predict_continuation(self, features: Float[Tensor, "*b F"]) -> Float[Tensor, "*b"]:
        """Return the probability that the step is not terminal, in [0, 1].

        A head that carries the discount multiplies by it, and has it as an attribute `discount`.
        """


@runtime_checkable
class Decodes(Protocol):
    """A signal with a decoder, whatever its training."""

    def decode(self, features: Float[Tensor, "*b F"]) -> dict[str, Tensor]:
        """Return the mean of each observation, normalized as networks see it."""


@runtime_checkable
class ReconstructionHead(Protocol):
    """A signal with a decoder that is trained on posterior features."""

    def reconstruct(self, features: Float[Tensor, "*b F"]) -> dict[str, Tensor]:
        """Return the mean of each observation, normalized as networks see it."""

    def log_prob(self, name: str, obs: Float[Tensor, "*b n"], mean: Float[Tensor, "*b n"]) -> Float[Tensor, "*b"]:
        """Return the log-likelihood of the normalized, flattened observation `name` given its mean, in nats."""


@runtime_checkable
class SimilarityHead(Protocol):
    """A signal that learns how similar two features are."""

    def similarity(self, x: Float[Tensor, "*b M F"], y: Float[Tensor, "*b N F"]) -> Float[Tensor, "*b M N"]:
        """Return the similarity of each prediction in `x` to each encoding in `y`."""
