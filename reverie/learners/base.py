"""The contract of a learner: improve a policy from beliefs, in imagination or otherwise."""

from typing import Generic, TypeVar

import torch
from torch import nn

from reverie.agents.base import ActorConfig
from reverie.agents.policies import Policy
from reverie.config.choices import Choice
from reverie.nn.optimizer import Optimizer
from reverie.spaces import EnvSpec
from reverie.types import Metrics, State

M = TypeVar("M", contravariant=True)
N = TypeVar("N")


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

    def update(self, model: M, belief: State, noise: N, optimizers: dict[str, Optimizer]) -> Metrics:
        """Improve the policy from detached beliefs with leading axis (batch,). The world model is only read."""
        raise NotImplementedError
