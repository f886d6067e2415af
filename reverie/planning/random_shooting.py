"""Random shooting: score random action sequences once and take the best.

At horizon 1 this is one-step model-predictive control, `argmax_a h(f(z, a), z_goal)` over sampled legal actions (Yan
2020, Sec. 4); longer, random shooting (Nagabandi 2018). The noise is the candidates, so an environment can propose its
own.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.planning.base import PlannerConfig, Score, initial_plan
from reverie.planning.cem import select_elites
from reverie.types import Plan


@dataclass(frozen=True)
class RandomShootingConfig(PlannerConfig):
    """`candidates` sequences of `horizon` uniformly random actions."""

    horizon: int = 1
    candidates: int = 100
    keep_start: bool = True
    """Whether the start's mean is a candidate too: the warm start, or the zero sequence."""

    def build(self, action_size: int) -> "RandomShooting":
        return RandomShooting(self, action_size)


class RandomShooting:
    """Implements `Planner`; with `keep_start` the plan never scores lower than its start."""

    def __init__(self, config: RandomShootingConfig, action_size: int) -> None:
        self.config, self.action_size = config, action_size

    def start(self, batch: int, device: torch.device) -> Plan:
        """The zero sequence."""
        return initial_plan((batch, self.config.horizon, self.action_size), 1.0, device)

    def noise(self, batch: int, generator: torch.Generator) -> Float[Tensor, "B N H A"]:
        """The candidates themselves, uniform in [-1, 1]."""
        size = (batch, self.config.candidates, self.config.horizon, self.action_size)
        return 2 * torch.rand(*size, generator=generator, device=generator.device) - 1

    def __call__(self, score: Score, start: Plan, noise: Float[Tensor, "B N H A"]) -> Plan:
        action_BNHA = noise.clamp(-1, 1)
        if self.config.keep_start:
            action_BNHA = torch.cat([action_BNHA, start.mean[:, None]], dim=1)
        best = select_elites(score(action_BNHA), action_BNHA, 1)
        return Plan(best[:, 0], start.std, best)
