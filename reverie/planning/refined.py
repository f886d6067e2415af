"""A search without gradients, then gradients from the best that it found."""

from dataclasses import dataclass, field
from typing import Any

import torch

from reverie.planning.base import Score
from reverie.planning.cem import CEMConfig, ICEMConfig
from reverie.planning.gradient import GradientConfig, climb
from reverie.types import Plan


@dataclass(frozen=True)
class CEMThenGradientConfig:
    """`search` finds the hill, `climb` goes up: its `starts` and `horizon` are not used, the search's elites are."""

    search: CEMConfig | ICEMConfig = field(default_factory=ICEMConfig)
    climb: GradientConfig = field(default_factory=lambda: GradientConfig(steps=5))

    @property
    def horizon(self) -> int:
        """H, the search's."""
        return self.search.horizon

    def build(self, action_size: int) -> "CEMThenGradient":
        return CEMThenGradient(self, action_size)


class CEMThenGradient:
    """Implements `Planner`: the search's plan, whose elites have climbed."""

    def __init__(self, config: CEMThenGradientConfig, action_size: int) -> None:
        self.config, self.search = config, config.search.build(action_size)

    def start(self, batch: int, device: torch.device) -> Plan:
        """As the search begins."""
        return self.search.start(batch, device)

    def noise(self, batch: int, generator: torch.Generator) -> Any:
        """As the search needs it; climbing needs none."""
        return self.search.noise(batch, generator)

    def __call__(self, score: Score, start: Plan, noise: Any) -> Plan:
        plan = self.search(score, start, noise)
        found, value = climb(score, plan.elites.clamp(-1, 1), self.config.climb)
        order = value.argsort(dim=1, descending=True)
        return Plan(plan.mean, plan.std, found.take_along_dim(order[:, :, None, None], dim=1))
