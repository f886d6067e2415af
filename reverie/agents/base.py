"""The contract of an actor: a policy network and a planner have the same shape to the agent."""

from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from reverie.config.choices import Choice
from reverie.models.world_model import WorldModel
from reverie.spaces import EnvSpec
from reverie.types import ActNoise, State

M = TypeVar("M")
N = TypeVar("N")


@runtime_checkable
class Actor(Protocol[M, N]):
    """Chooses actions from beliefs. `M` is the type of its state between steps, `N` of its noise."""

    def initial(self, batch: int) -> M:
        """The actor's state before the first step of `batch` episodes."""
        ...

    def act(self, belief: State, actor_state: M, noise: ActNoise[N] | None) -> tuple[Tensor, M]:
        """Actions (B, A) in the library's form (`envs.conversions`), and the actor's next state."""
        ...

    def noise(self, batch: int, generator: torch.Generator) -> tuple[N, Tensor]:
        """Draw the standard noise of one step: to sample or to search, and to explore."""
        ...


class ActorConfig(Choice):
    """The family of actors beside `PlanningConfig`."""

    def build_actor(self, model: WorldModel, spec: EnvSpec) -> Actor:
        """The actor, a module, in this world model."""
        raise NotImplementedError
