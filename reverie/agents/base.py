"""The contract of an actor: the agent treats a policy network and a planner alike."""

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
        """Return the actor's state before the first step of `batch` episodes."""
        ...

    def act(self, belief: State, actor_state: M, noise: ActNoise[N] | None) -> tuple[Tensor, M]:
        """Choose actions (B, A) in the library's form (`envs.conversions`); return the next state too."""
        ...

    def noise(self, batch: int, generator: torch.Generator) -> tuple[N, Tensor]:
        """Draw the standard noise of one step: to sample or to search, and to explore."""
        ...


class ActorConfig(Choice):
    """The family of actors beside `PlanningConfig`."""

    def build_actor(self, model: WorldModel, spec: EnvSpec) -> Actor:
        """Build the actor, a module, in this world model."""
        raise NotImplementedError
