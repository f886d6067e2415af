"""Reward prediction: what planning and imagined policies are scored by."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor, nn

from reverie.encoders.mlp import MLP, MLPConfig
from reverie.envs.adapter import EnvSpec
from reverie.math.distributions import normal_log_prob
from reverie.types import Trace


@dataclass(frozen=True)
class RewardConfig:
    """`scale` multiplies the environment's rewards for everything inside the agent; reports stay in its own unit."""

    mlp: MLPConfig = field(default_factory=MLPConfig)
    scale: float = 1.0

    def build(self, spec: EnvSpec, feature_size: int) -> "Reward":
        return Reward(self, feature_size)


class Reward(nn.Module):
    """`-ln N(scale r_t; predict(features_t), 1)`: the reward that arrived together with the observation."""

    def __init__(self, config: RewardConfig, feature_size: int) -> None:
        super().__init__()
        self.scale = config.scale
        self.head = MLP(config.mlp, feature_size, 1)

    def predict(self, features: Float[Tensor, "*b F"]) -> Float[Tensor, "*b"]:
        """The expected reward, times `scale`."""
        return self.head(features)[..., 0]

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        return -normal_log_prob(trace.batch.reward * self.scale, self.predict(trace.features))
