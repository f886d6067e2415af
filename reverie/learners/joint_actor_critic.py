"""DreamerV3's actor-critic: one loss with the world model, for returns of any size (Hafner 2023).

    actor    max  E sum_t w_t [ln pi(a_t | s_t) sg((G_t - v_t) / S) + eta H(pi(. | s_t))]
             REINFORCE for discrete and continuous actions; S = max(1, moving 5th to 95th percentile of G)
    value    min  E sum_t w_t [-ln p_v(G_t | s_t) - ln p_v(v'_t | s_t)]
             v': a slow copy of the value. It regularizes, and returns are bootstrapped from the value itself
    replay   the value's loss on the recorded steps, with returns of the recorded rewards, bootstrapped from the
             imagined ones. Its gradient reaches the world model: features learn what a value needs

Trajectories start at every posterior of the batch and have no gradient. `w_t` is the cumulative product of discount and
continuation. All terms are trained by the world model's optimizer, in the same step (`runs.update`).
"""

import copy
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from reverie import tree
from reverie.agents.policies import Policy, PolicyConfig
from reverie.config.checks import at_least, between
from reverie.dynamics.rollout import imagine_policy
from reverie.errors import UserError
from reverie.learners.actor_critic import DreamNoise
from reverie.learners.base import JointLearner, LearnerConfig
from reverie.math import ranks
from reverie.math.percentiles import Range
from reverie.math.returns import cumulative_weight, lambda_return, replay_lambda_return
from reverie.models.world_model import WorldModel
from reverie.nn.mlp import MLPConfig
from reverie.nn.scalar import Scalar, ScalarConfig, ScalarDistribution
from reverie.nn.two_hot import TwoHotConfig
from reverie.spaces import EnvSpec
from reverie.types import Metrics, Trace

T = TypeVar("T")


@dataclass(frozen=True)
class JointActorCriticConfig(LearnerConfig):
    """Actor-critic in one loss with the world model; the defaults are DreamerV3's."""

    policy: PolicyConfig = field(  # pyrefly: ignore[bad-override]
        default_factory=lambda: PolicyConfig(
            MLPConfig(3), min_std=0.1, exploration=0.0, continuous="clipped_normal", unimix=0.01
        )
    )
    """The policy that is learned."""
    value: ScalarConfig = field(default_factory=lambda: TwoHotConfig(MLPConfig(3, output_scale=0.0)))
    """The network of the value: `TwoHot`, or `MLP` for a normal likelihood."""
    horizon: int = field(default=15, metadata=at_least(1))
    """Imagined agent steps."""
    start_every: int = field(default=1, metadata=at_least(1))
    """Imagination starts at every k-th state of the batch: 1 is published, more is faster and learns from fewer. The
    returns of recorded steps are bootstrapped from the value where no imagination starts."""
    gamma: float = field(default=1 - 1 / 333, metadata=between(0, 1))
    """Discount of one agent step, besides the one that the model's continuation head may carry."""
    lambda_: float = field(default=0.95, metadata=between(0, 1))
    """Mixture of the returns: 0 looks one step ahead, 1 the whole horizon."""
    entropy: float = field(default=3e-4, metadata=at_least(0))
    """Weight of the policy's entropy, beside advantages of size 1."""
    percentiles: tuple[float, float] = (5.0, 95.0)
    """Percentiles of returns whose distance advantages are divided by; rare outliers do not count."""
    range_rate: float = field(default=0.01, metadata=between(0, 1))
    """Fraction of the way that the range moves to these percentiles in each update."""
    slow_rate: float = field(default=0.02, metadata=between(0, 1))
    """Fraction of the way that the slow value moves to the value in each update."""
    slow_weight: float = field(default=1.0, metadata=at_least(0))
    """Weight of the value's loss towards the slow value."""
    replay_weight: float = field(default=0.3, metadata=at_least(0))
    """Weight of the value's loss on recorded steps."""
    start: Literal["predicted", "recorded"] = "predicted"
    """Weight of an imagined trajectory's first state: its predicted continuation, or whether it was terminal."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.percentiles[0] < self.percentiles[1] <= 100:
            raise UserError(f"behavior.percentiles are {self.percentiles}: they must rise, from 0 or more to 100.")

    def build(self, spec: EnvSpec, feature_size: int) -> "JointActorCritic":
        return JointActorCritic(self, spec, feature_size)


class JointActorCritic(JointLearner[WorldModel, DreamNoise, Range]):
    """Owns policy, value, slow value, and the range of returns."""

    policy: Policy  # pyrefly: ignore[bad-override]
    value: Scalar  # pyrefly: ignore[bad-override]
    range: Tensor

    def __init__(self, config: JointActorCriticConfig, spec: EnvSpec, feature_size: int) -> None:
        super().__init__()
        self.config = config
        self.policy = config.policy.build(spec.action, feature_size)
        self.value = config.value.scalar(feature_size)
        self.slow = copy.deepcopy(self.value).requires_grad_(False)
        self.register_buffer("range", torch.zeros(2))

    def noise(self, model: WorldModel, batch: int, generator: torch.Generator) -> DreamNoise:
        size = -(-batch // self.config.start_every), self.config.horizon
        return DreamNoise(
            model.dynamics.noise(*size, generator=generator), self.policy.noise(*size, generator=generator)
        )

    def loss(self, model: WorldModel, trace: Trace, noise: DreamNoise) -> tuple[Tensor, Metrics, Range]:
        """Return the sum of the three losses, metrics, and the range moved by the imagined returns."""
        config, batch = self.config, trace.batch
        belief = self._starts(tree.flatten_batch(tree.detach(trace.posterior)))
        with torch.no_grad():
            features, action = imagine_policy(
                model.dynamics, self.policy, belief, config.horizon, noise.dynamics, noise.policy
            )
            reward, continuation = model.reward(features[:, 1:]), model.continuation(features)
            last_value = self.value(features[:, -1:])[..., 0]
        before, discount = features[:, :-1], config.gamma * continuation[:, 1:]
        predicted = self.value.distribution(before)
        value = torch.cat([predicted.mean.detach(), last_value], 1)
        returns = lambda_return(reward, value[:, 1:], discount, config.lambda_)
        recorded = self._starts(~batch.is_terminal.flatten()).to(reward.dtype)
        start = continuation[:, 0] if config.start == "predicted" else recorded
        weight = cumulative_weight(start, discount)

        low, high = self.range.unbind()
        moved = Range(low, high).moved(returns, config.range_rate, config.percentiles)
        advantage = (returns - value[:, :-1]) / moved.scale()
        log_prob, entropy = self.policy.log_prob(before, noise.policy), self.policy.entropy(before, noise.policy)
        actor_loss = -(weight * (log_prob * advantage + config.entropy * entropy)).mean()
        value_loss = (weight * self._nats(predicted, before, returns)).mean()
        replay_loss = self._replay_loss(model, trace, self._bootstrap(trace, returns[:, 0]))

        metrics = {
            "loss/actor": actor_loss,
            "loss/value": value_loss,
            "loss/replay_value": replay_loss,
            "imagined/reward": reward.mean(),
            "imagined/return": returns.mean(),
            "imagined/return_std": ranks.gather(returns.detach()).std(),
            "imagined/return_range": moved.high - moved.low,
            "imagined/value": value.mean(),
            "imagined/weight": weight.mean(),
            "policy/entropy": entropy.mean(),
            "policy/action_abs": action.abs().mean(),
        }
        return actor_loss + value_loss + config.replay_weight * replay_loss, tree.detach(metrics), moved

    def _starts(self, states: T) -> T:
        """Return the states, of all B T in a row, at which imagination starts."""
        return tree.every_kth(states, self.config.start_every, dim=0)

    @torch.no_grad()
    def _bootstrap(self, trace: Trace, imagined: Float[Tensor, " N"]) -> Float[Tensor, "B T"]:
        """Return what follows each recorded step: its imagined return, or its value where no imagination started."""
        if self.config.start_every == 1:
            return imagined.unflatten(0, trace.batch.reward.shape)
        bootstrap = self.value(trace.features)[..., 0]
        self._starts(bootstrap.view(-1)).copy_(imagined)
        return bootstrap

    def _nats(
        self, predicted: ScalarDistribution, features: Float[Tensor, "*b F"], returns: Float[Tensor, "*b"]
    ) -> Float[Tensor, "*b"]:
        """Return the value's loss towards the returns, and towards the slow value of the same features."""
        with torch.no_grad():
            slow = self.slow(features)[..., 0]
        return predicted.nats(returns) + self.config.slow_weight * predicted.nats(slow)

    def _replay_loss(self, model: WorldModel, trace: Trace, bootstrap: Float[Tensor, "B T"]) -> Float[Tensor, ""]:
        """Return the value's mean loss on recorded steps. A step that ends its episode has no return after it."""
        config, batch = self.config, trace.batch
        if config.replay_weight == 0:
            return bootstrap.new_zeros(())
        reward, gamma = model.reward_target(batch.reward), config.gamma * model.discount
        returns = replay_lambda_return(reward, bootstrap, batch.is_last, batch.is_terminal, gamma, config.lambda_)
        features = trace.features[:, :-1]
        return (~batch.is_last[:, :-1] * self._nats(self.value.distribution(features), features, returns)).mean()

    @torch.no_grad()
    def finish(self, statistics: Range) -> None:
        """Keep the range, and move the slow value."""
        self.range.copy_(torch.stack([statistics.low, statistics.high]))
        for slow, fast in zip(self.slow.parameters(), self.value.parameters()):
            slow.lerp_(fast, self.config.slow_rate)
