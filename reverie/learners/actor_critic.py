"""Dreamer's actor-critic: a policy and a value trained on imagined trajectories (Hafner 2020, Sec. 3; 2021, Sec. 2).

    actor   max  E sum_t w_t V_lambda(s_t)       by analytic gradients through the learned dynamics (V1)
            or   E sum_t w_t ln pi(a_t | s_t) sg(V_lambda(s_t) - v(s_t))     REINFORCE (V2, discrete actions)
            or   a mixture of both; with the policy's entropy as a bonus
    value   min  E sum_t w_t (v(s_t) - sg V_lambda(s_t))^2 / 2

Trajectories start at every posterior of the batch, or at every k-th. `w_t` is the cumulative product of discount and
continuation, so steps after a likely end of the episode have little weight.

Departures: a state's value is the return that *follows* it (`G_t = r_{t+1} + ...`); in the published code `v(s_t)`
includes `r_t`. An entropy bonus (Hafner 2021, Eq. 6) and a slow target value (Lillicrap 2016, Sec. 3) are options:
Dreamer V1 has neither, DreamerV2 both.
"""

import copy
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from reverie import tree
from reverie.agents.policies import Policy, PolicyConfig
from reverie.config.checks import at_least, between, share
from reverie.dynamics.rollout import imagine_policy
from reverie.learners.base import Learner, LearnerConfig
from reverie.math import ranks
from reverie.math.returns import cumulative_weight, lambda_return
from reverie.models.world_model import WorldModel
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig, Optimizer, OptimizerConfig
from reverie.nn.scalar import Scalar, ScalarConfig
from reverie.spaces import EnvSpec
from reverie.types import Metrics, State


@dataclass(frozen=True)
class ActorCriticConfig(LearnerConfig):
    """Actor-critic in imagination; the defaults are Dreamer V1's."""

    policy: PolicyConfig = field(default_factory=PolicyConfig)  # pyrefly: ignore[bad-override]
    """The policy that is learned."""
    value: ScalarConfig = field(default_factory=lambda: MLPConfig(layers=3))
    """The network of the value, such as `MLP`, or DreamerV3's `TwoHot`."""
    horizon: int = field(default=15, metadata=at_least(1))
    """Imagined agent steps."""
    start_every: int = field(default=1, metadata=at_least(1))
    """Imagination starts at every k-th state of the batch: 1 is published, more is faster and learns from fewer."""
    gamma: float = field(default=0.99, metadata=between(0, 1))
    """Discount of one agent step, in [0, 1]."""
    lambda_: float = field(default=0.95, metadata=between(0, 1))
    """Mixture of the returns: 0 looks one step ahead, 1 the whole horizon."""
    entropy: float = field(default=0.0, metadata=at_least(0))
    """Weight of the policy's entropy bonus; it keeps the policy out of the flat part of the tanh."""
    reinforce: float | None = field(default=0.0, metadata=between(0, 1))
    """Weight of REINFORCE in the actor's gradient; the rest is through the dynamics (Hafner 2021, Eq. 6, rho).

    None is DreamerV2's choice: 1 for discrete actions, 0 for continuous ones.
    """
    target_rate: float = field(default=1.0, metadata=share())
    """Fraction of the way that the target value moves to the value; 1 with `target_every` 1 needs no target."""
    target_every: int = field(default=1, metadata=at_least(1))
    """Updates between two moves of the target value; DreamerV2 copies it every 100 (rate 1)."""
    actor_optimizer: OptimizerConfig = field(default_factory=lambda: AdamConfig(lr=8e-5))
    """The optimizer of the policy."""
    value_optimizer: OptimizerConfig = field(default_factory=lambda: AdamConfig(lr=8e-5))
    """The optimizer of the value."""

    @property
    def slow(self) -> bool:
        """Whether returns are bootstrapped from a separate target value."""
        return self.target_rate < 1 or self.target_every > 1

    def build(self, spec: EnvSpec, feature_size: int) -> "ActorCritic":
        return ActorCritic(self, spec, feature_size)


@dataclass(frozen=True)
class DreamNoise:
    """Standard noise of N imagined trajectories."""

    dynamics: Float[Tensor, "N H Z"]
    policy: Float[Tensor, "N H A"]


class ActorCritic(Learner[WorldModel, DreamNoise]):
    """Owns the policy, the value and their optimizers."""

    policy: Policy  # pyrefly: ignore[bad-override]
    value: Scalar  # pyrefly: ignore[bad-override]

    def __init__(self, config: ActorCriticConfig, spec: EnvSpec, feature_size: int) -> None:
        super().__init__()
        self.config = config
        self.reinforce = float(spec.action.discrete) if config.reinforce is None else config.reinforce
        self.policy = config.policy.build(spec.action, feature_size)
        self.value = config.value.scalar(feature_size)
        if config.slow:
            self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
            self.target = copy.deepcopy(self.value).requires_grad_(False)

    def optimizers(self) -> dict[str, Optimizer]:
        return {
            "actor": Optimizer(self.config.actor_optimizer, self.policy.parameters()),
            "value": Optimizer(self.config.value_optimizer, self.value.parameters()),
        }

    def noise(self, model: WorldModel, batch: int, generator: torch.Generator) -> DreamNoise:
        size = -(-batch // self.config.start_every), self.config.horizon
        return DreamNoise(
            model.dynamics.noise(*size, generator=generator), self.policy.noise(*size, generator=generator)
        )

    def update(self, model: WorldModel, belief: State, noise: DreamNoise, optimizers: dict[str, Optimizer]) -> Metrics:
        """Improve policy and value from N detached beliefs."""
        config = self.config
        belief = tree.every_kth(belief, config.start_every, dim=0)
        with torch.set_grad_enabled(self.reinforce < 1):
            features, action = imagine_policy(
                model.dynamics, self.policy, belief, config.horizon, noise.dynamics, noise.policy
            )
        reward, continuation = model.reward(features[:, 1:]), model.continuation(features)
        discount = config.gamma * continuation[:, 1:]
        bootstrap = self.target if config.slow else self.value
        value = bootstrap(features)[..., 0]
        returns = lambda_return(reward, value[:, 1:], discount, config.lambda_)
        weight = cumulative_weight(continuation[:, 0], discount).detach()

        objective = (1 - self.reinforce) * returns
        if self.reinforce > 0:
            log_prob = self.policy.log_prob(features[:, :-1].detach(), noise.policy)
            objective = objective + self.reinforce * log_prob * (returns - value[:, :-1]).detach()
        if config.entropy > 0:
            entropy = self.policy.entropy(features[:, :-1].detach(), noise.policy)
            objective = objective + config.entropy * entropy
        else:  # only for the metrics: all steps would take a quarter of this method's time
            with torch.no_grad():
                entropy = self.policy.entropy(features[:, 0], noise.policy[:, 0])
        actor_loss = -(weight * objective).mean()
        actor = optimizers["actor"].step(actor_loss)

        predicted = self.value.distribution(features[:, :-1].detach())
        value_loss = (weight * predicted.nats(returns.detach())).mean()
        critic = optimizers["value"].step(value_loss)
        self._update_target()

        metrics = {
            "loss/actor": actor_loss,
            "loss/value": value_loss,
            "grad_norm/actor": actor["grad_norm"],
            "grad_norm/value": critic["grad_norm"],
            "imagined/reward": reward.mean(),
            "imagined/return": returns.mean(),
            "imagined/return_std": ranks.gather(returns.detach()).std(),
            "imagined/value": value.mean(),
            "imagined/weight": weight.mean(),
            "policy/entropy": entropy.mean(),
            "policy/action_abs": action.abs().mean(),
        }
        return tree.detach(metrics)

    @torch.no_grad()
    def _update_target(self) -> None:
        """Move the target value `target_rate` of the way to the value, every `target_every` updates."""
        if self.config.slow:
            self.updates += 1
            rate = self.config.target_rate * (self.updates % self.config.target_every == 0)
            for slow, fast in zip(self.target.parameters(), self.value.parameters()):
                slow.lerp_(fast, rate.to(fast.dtype))
