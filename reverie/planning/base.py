"""The contracts of planning: scores, planners and their configs. Scores are maximized.

A planner does not depend on the model, and an objective not on the planner. `planning.actor` joins them.
"""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.config.choices import Choice
from reverie.types import Plan, State

C = TypeVar("C")
N = TypeVar("N")

Score = Callable[[Float[Tensor, "B N H A"]], Float[Tensor, "B N"]]
"""Scores N candidate action sequences in [-1, 1] for each of B independent problems."""
Objective = Callable[[State, Float[Tensor, "*b H A"]], Float[Tensor, "*b"]]
"""Scores imagined states, with leading axes (*b, H), and the actions that led to them."""


@runtime_checkable
class Planner(Protocol[N]):
    """Refines a plan. It is a deterministic function of its noise, whose type is `N`."""

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

    def build(self, action_size: int) -> Planner:
        """Return the planner for actions of A = `action_size` numbers."""
        raise NotImplementedError


class GaussianPlanner(Generic[C]):
    """Base of planners whose initial plan is `N(0, std)` for every action, with the zero sequence as its only elite."""

    def __init__(self, config: C, horizon: int, action_size: int, std: float = 1.0) -> None:
        self.config, self.horizon, self.action_size, self.std = config, horizon, action_size, std

    def start(self, batch: int, device: torch.device) -> Plan:
        mean = torch.zeros(batch, self.horizon, self.action_size, device=device)
        return Plan(mean, torch.full_like(mean, self.std), mean[:, None])


def white_noise(*size: int, generator: torch.Generator) -> Tensor:
    """Draw standard normal noise on the generator's device."""
    return torch.randn(*size, generator=generator, device=generator.device)


def sample(plan: Plan, noise: Float[Tensor, "B N H A"]) -> Float[Tensor, "B N H A"]:
    """Return the action sequences `mean + std * noise`, clipped to [-1, 1]."""
    return (plan.mean[:, None] + plan.std[:, None] * noise).clamp(-1, 1)


def shift(plan: Plan, start: Plan) -> Plan:
    """Shift a plan by one step for a warm start: drop the first action, append the last action of `start`."""

    def shift_actions(old: Tensor, initial: Tensor) -> Tensor:
        return torch.cat([old[..., 1:, :], initial[..., -1:, :].expand_as(old[..., -1:, :])], dim=-2)

    return Plan(shift_actions(plan.mean, start.mean), start.std, shift_actions(plan.elites, start.elites[:, :1]))
