"""The contract of a learner: improve a policy from beliefs, in imagination or otherwise.

A `Learner` steps its own parameters after the model's step. A `JointLearner` returns a loss that the update adds to the
model's. Neither can change the model: only the update steps it.
"""

from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from reverie import tree
from reverie.agents.base import ActorConfig
from reverie.agents.policies import Policy
from reverie.config.choices import Choice
from reverie.math import ranks
from reverie.nn.optimizer import Optimizer
from reverie.spaces import EnvSpec
from reverie.types import Metrics, State, Trace

M = TypeVar("M", contravariant=True)
N = TypeVar("N")
S = TypeVar("S")


class LearnerConfig(Choice):
    """The family of learners."""

    policy: ActorConfig

    @property
    def actor(self) -> ActorConfig:
        """The config that an agent with the learned policy is rebuilt from."""
        return self.policy

    def build(self, spec: EnvSpec, feature_size: int) -> "Learner":
        """Build the learner, a module, for these actions and features of F numbers."""
        raise NotImplementedError


class Learner(nn.Module, Generic[M, N]):
    """A module that owns what it learns. `M` is the type of the model that it learns from, `N` of its noise."""

    policy: Policy | None
    """The policy that acts; None without one."""
    value: nn.Module | None
    """Features (*b, F) to the return that follows, (*b, 1), in the unit of the model's reward; None without one."""

    def optimizers(self) -> dict[str, Optimizer]:
        """Make new optimizers by name. Call it when the parameters are on their device."""
        raise NotImplementedError

    def noise(self, model: M, batch: int, generator: torch.Generator) -> N:
        """Draw all standard noise of one update from `batch` beliefs."""
        raise NotImplementedError

    def part(self, noise: N) -> N:
        """Return this rank's part of the noise of an update, by default its rows (`math.ranks`)."""
        return tree.map(ranks.own, noise)

    def update(self, model: M, belief: State, noise: N, optimizers: dict[str, Optimizer]) -> Metrics:
        """Improve the policy from detached beliefs with leading axis (batch,). The world model is only read."""
        raise NotImplementedError


class JointLearner(Learner[M, N], Generic[M, N, S]):
    """A learner that the model's optimizer trains, by the sum of both losses. `S` is the type of its statistics.

    The gradient of its loss may reach the model through `trace`. `loss` changes nothing; what it wants to remember are
    the statistics, which `finish` keeps.
    """

    def optimizers(self) -> dict[str, Optimizer]:
        return {}

    def loss(self, model: M, trace: Trace, noise: N) -> tuple[Tensor, Metrics, S]:
        """Return the scalar loss, metrics, and new statistics, from the trace that the model's losses are of."""
        raise NotImplementedError

    def finish(self, statistics: S) -> None:
        """Keep the statistics, and move what follows the parameters. Called after the step."""
        raise NotImplementedError
