"""Actors: what chooses actions from beliefs. A policy network and a planner have the same shape to the agent."""

from collections.abc import Callable
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from reverie.agents.policies import Policy
from reverie.types import ActNoise, State

M = TypeVar("M")
N = TypeVar("N")


@runtime_checkable
class Actor(Protocol[M, N]):
    """Chooses actions from beliefs. `M` is the type of its memory between decisions, `N` of its noise."""

    def initial(self, batch: int) -> M:
        """The memory before the first decision of `batch` episodes."""
        ...

    def act(self, belief: State, actor_state: M, noise: ActNoise[N] | None) -> tuple[Tensor, M]:
        """Actions (B, A) in the normal form, and what to remember."""
        ...

    def noise(self, batch: int, generator: torch.Generator) -> tuple[N, Tensor]:
        """Standard noise of one decision: to sample or to search, and to explore."""
        ...


class PolicyActor(nn.Module):
    """A policy network as an actor; it needs no memory. `features` is the dynamics' own function."""

    def __init__(self, policy: Policy, features: Callable[[State], Tensor]) -> None:
        super().__init__()
        self.policy, self.features = policy, features

    def initial(self, batch: int) -> None:
        return None

    def act(self, belief: State, actor_state: None, noise: ActNoise[Tensor | None] | None) -> tuple[Tensor, None]:
        action = self.policy(self.features(belief), None if noise is None else noise.actor)
        if noise is not None and noise.exploration is not None:
            action = self.policy.explore(action, noise.exploration)
        return action, None

    def noise(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return (
            self.policy.noise(batch, generator=generator),
            self.policy.exploration_noise(batch, generator=generator),
        )
