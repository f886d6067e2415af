"""A search without gradients, then gradient ascent from its elites."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from reverie.planning.base import Planner, PlannerConfig, Score
from reverie.planning.cem import CEMConfig, ICEMConfig
from reverie.planning.gradient import GradientConfig, gradient_ascent
from reverie.types import Plan

SearchNoise = Tensor | tuple[Tensor, ...]


@dataclass(frozen=True)
class CEMThenGradientConfig(PlannerConfig):
    """`search`, then `gradient` from the search's elites; the `starts` and `horizon` of `gradient` are not used."""

    search: CEMConfig | ICEMConfig = field(default_factory=ICEMConfig)
    gradient: GradientConfig = field(default_factory=lambda: GradientConfig(steps=5))

    @property
    def horizon(self) -> int:
        """H, the search's."""
        return self.search.horizon

    def build(self, action_size: int) -> "CEMThenGradient":
        return CEMThenGradient(self, action_size)


class CEMThenGradient:
    """Implements `Planner`: the search's plan with refined elites, best first."""

    def __init__(self, config: CEMThenGradientConfig, action_size: int) -> None:
        self.config = config
        self.search: Planner = config.search.build(action_size)

    def start(self, batch: int, device: torch.device) -> Plan:
        """The search's initial plan."""
        return self.search.start(batch, device)

    def noise(self, batch: int, generator: torch.Generator) -> SearchNoise:
        """The search's noise; gradient ascent needs none."""
        return self.search.noise(batch, generator)

    def __call__(self, score: Score, start: Plan, noise: SearchNoise) -> Plan:
        plan = self.search(score, start, noise)
        action, value = gradient_ascent(score, plan.elites.clamp(-1, 1), self.config.gradient)
        order = value.argsort(dim=1, descending=True)
        return Plan(plan.mean, plan.std, action.take_along_dim(order[:, :, None, None], dim=1))
