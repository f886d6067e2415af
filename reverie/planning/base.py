"""The contracts of planning: a planner knows no model, an objective knows no planner. Scores are maximized.

`planning.actor` joins the two: the score of a candidate is the objective of the states that `rollout.imagine` gives for
it.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.config.choices import Choice
from reverie.types import Plan

S = TypeVar("S", contravariant=True)
N = TypeVar("N")

Score = Callable[[Float[Tensor, "B N H A"]], Float[Tensor, "B N"]]
"""Scores N candidate action sequences in [-1, 1] for each of B independent problems; higher is better."""


@runtime_checkable
class Planner(Protocol[N]):
    """Refines a plan; a deterministic function of its noise, whose type is `N`."""

    def start(self, batch: int, device: torch.device) -> Plan:
        """The initial plan, before any search."""
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
        raise NotImplementedError


def initial_plan(size: tuple[int, int, int], std: float, device: torch.device) -> Plan:
    """The initial plan: `N(0, std)` for every action of `size` (B, H, A), with the zero sequence as its only elite."""
    mean = torch.zeros(*size, device=device)
    return Plan(mean, torch.full_like(mean, std), mean[:, None])


def white_noise(*size: int, generator: torch.Generator) -> Tensor:
    """Draw standard normal noise on the generator's device."""
    return torch.randn(*size, generator=generator, device=generator.device)


def shift(plan: Plan, start: Plan) -> Plan:
    """Shift a plan by one step for a warm start: drop the first action, append the last action of `start`."""

    def shift_actions(old: Tensor, initial: Tensor) -> Tensor:
        return torch.cat([old[..., 1:, :], initial[..., -1:, :].expand_as(old[..., -1:, :])], dim=-2)

    return Plan(shift_actions(plan.mean, start.mean), start.std, shift_actions(plan.elites, start.elites[:, :1]))


@runtime_checkable
class Objective(Protocol[S]):
    """Predicted reward, reward and value, or similarity to a goal, summed over the horizon."""

    def __call__(self, states: S, actions: Float[Tensor, "*b H A"]) -> Float[Tensor, "*b"]:
        """Score imagined trajectories, higher is better; `states` have leading axes (*b, H)."""
        ...
