"""Reward prediction: planning and imagined policies maximize it."""

from dataclasses import dataclass, field
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from reverie.math.distributions import normal_log_prob
from reverie.nn.mlp import MLP, MLPConfig
from reverie.signals.base import SignalConfig
from reverie.spaces import EnvSpec
from reverie.types import Trace


@dataclass(frozen=True)
class RewardConfig(SignalConfig):
    """How rewards are transformed before they are predicted; evaluations report them in the environment's unit.

    `scale` multiplies them. `squash` then takes their tanh (DreamerV2 on Atari, where score units differ).
    """

    mlp: MLPConfig = field(default_factory=MLPConfig)
    scale: float = 1.0
    squash: Literal["none", "tanh"] = "none"

    def build(self, spec: EnvSpec, feature_size: int) -> "Reward":
        return Reward(self, feature_size)


class Reward(nn.Module):
    """`-ln N(target(r_t); predict_reward(features_t), 1)`: the reward of the same step as the observation."""

    def __init__(self, config: RewardConfig, feature_size: int) -> None:
        super().__init__()
        self.scale, self.squash = config.scale, config.squash
        self.head = MLP(config.mlp, feature_size, 1)

    def predict_reward(self, features: Float[Tensor, "*b F"]) -> Float[Tensor, "*b"]:
        """The expected reward, scaled and squashed."""
        return self.head(features)[..., 0]

    def to_env_units(self, reward: Tensor) -> Tensor:
        """Predicted rewards or their sums over `scale`; what was squashed stays squashed."""
        return reward / self.scale

    def target(self, reward: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        """`scale r`, or its tanh."""
        scaled = reward * self.scale
        return scaled.tanh() if self.squash == "tanh" else scaled

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        return -normal_log_prob(self.target(trace.batch.reward), self.predict_reward(trace.features))
