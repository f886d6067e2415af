"""Heads for the reward, which planning and imagined policies maximize, and for the end of an episode."""

from dataclasses import dataclass, field
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.checks import between, positive
from reverie.math.distributions import bernoulli_log_prob
from reverie.nn.mlp import MLP, MLPConfig
from reverie.nn.scalar import ScalarConfig
from reverie.signals.base import SignalConfig
from reverie.spaces import EnvSpec
from reverie.types import Trace


@dataclass(frozen=True)
class RewardConfig(SignalConfig):
    """Prediction of the reward. Evaluations report rewards in the environment's unit."""

    mlp: ScalarConfig = field(default_factory=MLPConfig)
    """The head: a normal likelihood (`MLP`), or DreamerV3's classification (`TwoHot`)."""
    scale: float = field(default=1.0, metadata=positive())
    """Factor of rewards before they are predicted."""
    squash: Literal["none", "tanh"] = "none"
    """Function of scaled rewards: their tanh is the published choice for Atari, where the units of scores differ."""

    def build(self, spec: EnvSpec, feature_size: int) -> "Reward":
        return Reward(self, feature_size)


class Reward(nn.Module):
    """`-ln p(target(r_t) | features_t)`, in nats. Reward and observation are of the same step."""

    def __init__(self, config: RewardConfig, feature_size: int) -> None:
        super().__init__()
        self.scale, self.squash = config.scale, config.squash
        self.head = config.mlp.scalar(feature_size)

    def predict_reward(self, features: Float[Tensor, "*b F"]) -> Float[Tensor, "*b"]:
        """Return the expected reward, scaled and squashed."""
        return self.head(features)[..., 0]

    def unsquash(self, reward: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        """Undo the tanh. Scaled rewards beyond 3.8 look alike to it, so no larger ones are returned."""
        return reward.clamp(-0.999, 0.999).atanh() if self.squash == "tanh" else reward

    def to_env_units(self, reward: Tensor) -> Tensor:
        """Divide predicted rewards, or their sums, by `scale`. Squashed rewards stay squashed."""
        return reward / self.scale

    def target(self, reward: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        """Return `scale r`, or its tanh."""
        scaled = reward * self.scale
        return scaled.tanh() if self.squash == "tanh" else scaled

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        return self.head.distribution(trace.features).nats(self.target(trace.batch.reward))


@dataclass(frozen=True)
class ContinuationConfig(SignalConfig):
    """Prediction of whether the episode goes on (Hafner 2020, App. A)."""

    mlp: MLPConfig = field(default_factory=MLPConfig)
    """Size of the head."""
    discount: float = field(default=1.0, metadata=between(0, 1))
    """Label of a step that is not terminal. Below 1 the head carries the discount, as in the published Dreamers, in
    place of the learner's `gamma`, which is then 1."""

    def build(self, spec: EnvSpec, feature_size: int) -> "Continuation":
        return Continuation(self, feature_size)


class Continuation(nn.Module):
    """`-ln Bernoulli(discount (1 - is_terminal_t); sigmoid(head(features_t)))`, in nats.

    A time limit is not terminal.
    """

    def __init__(self, config: ContinuationConfig, feature_size: int) -> None:
        super().__init__()
        self.discount = config.discount
        self.head = MLP(config.mlp, feature_size, 1)

    def predict_continuation(self, features: Float[Tensor, "*b F"]) -> Float[Tensor, "*b"]:
        """Return the probability that the step is not terminal, times the discount, in (0, 1)."""
        return self.head(features)[..., 0].sigmoid()

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        target = self.discount * (~trace.batch.is_terminal).to(trace.features.dtype)
        return -bernoulli_log_prob(self.head(trace.features)[..., 0], target)
