"""Random shooting: score random action sequences once and take the best (Nagabandi 2018).

At horizon 1 this is one-step model-predictive control, `argmax_a h(f(z, a), z_goal)` over sampled legal actions (Yan
2020, Sec. 4). The noise is the candidates, so an environment can propose its own.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.config.checks import at_least
from reverie.planning.base import PlannerConfig, Score, SearchPlanner
from reverie.planning.cem import select_elites
from reverie.spaces import ActionSpace
from reverie.types import Plan


@dataclass(frozen=True)
class RandomShootingConfig(PlannerConfig):
    """Random shooting."""

    horizon: int = field(default=1, metadata=at_least(1))
    """Length H of a plan, in decisions."""
    candidates: int = field(default=100, metadata=at_least(1))
    """Number N of uniformly random sequences."""
    keep_start: bool = True
    """Whether the start is a candidate too: the warm start, or zeros, or the first choice at every step."""

    def build(self, action: ActionSpace) -> "RandomShooting":
        return RandomShooting(self, self.horizon, action)


class RandomShooting(SearchPlanner[RandomShootingConfig]):
    """Implements `Planner`. With `keep_start` the plan never scores lower than its start."""

    def noise(self, batch: int, generator: torch.Generator) -> Float[Tensor, "B N H A"]:
        """Draw the candidates themselves, uniform in [-1, 1]; the largest of A numbers is a uniform choice."""
        size = (batch, self.config.candidates, self.horizon, self.action_size)
        return 2 * torch.rand(*size, generator=generator, device=generator.device) - 1

    def __call__(self, score: Score, start: Plan, noise: Float[Tensor, "B N H A"]) -> Plan:
        action_BNHA = self.actions.nearest(noise)
        if self.config.keep_start:
            action_BNHA = torch.cat([action_BNHA, self.actions.nearest(start.mean)[:, None]], dim=1)
        best = select_elites(score(action_BNHA), action_BNHA, 1)
        return Plan(best[:, 0], start.std, best)
