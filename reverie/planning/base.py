"""The contracts of planning: a planner knows no model, an objective knows no planner. Scores are maximized.

An actor that plans joins the two: its score of candidates is the objective of the states that
`rollout.imagine` gives for them; its memory is the last plan, for a warm start.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.types import Plan

S = TypeVar("S", contravariant=True)
N = TypeVar("N")

Score = Callable[[Float[Tensor, "B N H A"]], Float[Tensor, "B N"]]
"""Candidate action sequences in [-1, 1] to how good each is, for B independent problems."""


@runtime_checkable
class Planner(Protocol[N]):
    """Refines a plan; a deterministic function of its noise, whose type is `N`."""

    def start(self, batch: int, device: torch.device) -> Plan:
        """A plan that knows nothing."""
        ...

    def noise(self, batch: int, generator: torch.Generator) -> N:
        """All standard noise of one call."""
        ...

    def __call__(self, score: Score, start: Plan, noise: N) -> Plan:
        """The refined plan, leading axis B as `start` has it."""
        ...


def initial_plan(size: tuple[int, int, int], std: float, device: torch.device) -> Plan:
    """The plan to begin with: `N(0, std)` for every action of `size` (B, H, A); its one elite is the zero sequence."""
    mean = torch.zeros(*size, device=device)
    return Plan(mean, torch.full_like(mean, std), mean[:, None])


def white_noise(*size: int, generator: torch.Generator) -> Tensor:
    """Standard normal noise on the generator's device."""
    return torch.randn(*size, generator=generator, device=generator.device)


def advanced(plan: Plan, start: Plan) -> Plan:
    """The plan one decision later, for a warm start: what comes after its first action, then what `start` ends with."""

    def move(later: Tensor, fresh: Tensor) -> Tensor:
        return torch.cat([later[..., 1:, :], fresh[..., -1:, :].expand_as(later[..., -1:, :])], dim=-2)

    fresh = start.elites[:, :1]
    return Plan(move(plan.mean, start.mean), start.std, move(plan.elites, fresh))


@runtime_checkable
class Objective(Protocol[S]):
    """Predicted reward, reward and value, or similarity to a goal, summed over the horizon."""

    def __call__(self, states: S, actions: Float[Tensor, "*b H A"]) -> Float[Tensor, "*b"]:
        """How good each imagined trajectory is; `states` have leading axes (*b, H)."""
        ...
