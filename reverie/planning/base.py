"""The contracts of planning: scores, planners and their configs. Scores are maximized.

A planner does not depend on the model, and an objective not on the planner. `planning.actor` joins them.
"""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.config.choices import Choice
from reverie.planning.actions import actions_of
from reverie.spaces import ActionSpace
from reverie.types import Plan, State

C = TypeVar("C")
N = TypeVar("N")

Score = Callable[[Float[Tensor, "B N H A"]], Float[Tensor, "B N"]]
"""Scores N candidate sequences of valid actions for each of B independent problems."""
Objective = Callable[[State, Float[Tensor, "*b H A"]], Float[Tensor, "*b"]]
"""Scores imagined states, with leading axes (*b, H), and the actions that led to them."""


@runtime_checkable
class Planner(Protocol[N]):
    """Refines a plan. It is a deterministic function of its noise, whose type is `N`.

    Each tensor of the noise has the axis of the B problems at -4, before those of candidates, time and actions.
    """

    def start(self, batch: int, device: torch.device) -> Plan:
        """Return the initial plan of `batch` problems, before any search."""
        ...

    def noise(self, batch: int, generator: torch.Generator) -> N:
        """Draw the standard noise of one call."""
        ...

    def __call__(self, score: Score, start: Plan, noise: N) -> Plan:
        """Return the refined plan of B problems."""
        ...


class PlannerConfig(Choice):
    """The family of planners."""

    def build(self, action: ActionSpace) -> Planner:
        """Return the planner for these actions, numbers in [-1, 1] or choices (`planning.actions`)."""
        raise NotImplementedError


class SearchPlanner(Generic[C]):
    """Base of planners that begin at `N(0, std)` for every number and equal probabilities for every choice.

    The only elite of this plan is the valid sequence nearest to its mean.
    """

    def __init__(self, config: C, horizon: int, action: ActionSpace, std: float = 1.0) -> None:
        self.config, self.horizon, self.action_size, self.std = config, horizon, action.size, std
        self.actions = actions_of(action)

    def start(self, batch: int, device: torch.device) -> Plan:
        mean = torch.full((batch, self.horizon, self.action_size), self.actions.center, device=device)
        return Plan(mean, torch.full_like(mean, self.std), self.actions.nearest(mean)[:, None])


def white_noise(*size: int, generator: torch.Generator) -> Tensor:
    """Draw standard normal noise on the generator's device."""
    return torch.randn(*size, generator=generator, device=generator.device)


def shift(plan: Plan, start: Plan) -> Plan:
    """Shift a plan by one step for a warm start: drop the first action, append the last action of `start`."""

    def shift_actions(old: Tensor, initial: Tensor) -> Tensor:
        return torch.cat([old[..., 1:, :], initial[..., -1:, :].expand_as(old[..., -1:, :])], dim=-2)

    return Plan(shift_actions(plan.mean, start.mean), start.std, shift_actions(plan.elites, start.elites[:, :1]))
