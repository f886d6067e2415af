"""Hill climbing over action sequences: perturb the best sequence, keep what scores higher."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from reverie.config.checks import at_least
from reverie.planning import PlannerConfig, Score
from reverie.planning.base import SearchPlanner, white_noise
from reverie.spaces import ActionSpace
from reverie.types import Plan


@dataclass(frozen=True)
class HillClimbingConfig(PlannerConfig):
    """`iterations` rounds of `candidates` sequences; `std` of the perturbation in the first, halved in each next."""

    horizon: int = 8
    candidates: int = field(default=16, metadata=at_least(1))
    iterations: int = 4
    std: float = 0.5

    def build(self, action: ActionSpace) -> "HillClimbing":
        return HillClimbing(self, self.horizon, action, self.std)


class HillClimbing(SearchPlanner[HillClimbingConfig]):
    """Implements `Planner`. The best sequence so far is always a candidate, so a plan never becomes worse.

    `self.actions` draws valid actions around it: numbers from a Gaussian, or choices.
    """

    def noise(self, batch: int, generator: torch.Generator) -> Tensor:
        """Standard normal noise of one plan, (I, B, N, H, A)."""
        c = self.config
        return white_noise(c.iterations, batch, c.candidates, c.horizon, self.action_size, generator=generator)

    def __call__(self, score: Score, start: Plan, noise: Tensor) -> Plan:
        best_BHA = start.elites[:, 0]
        for iteration, noise_BNHA in enumerate(noise):
            around = Plan(best_BHA, start.std / 2**iteration, best_BHA[:, None])
            action_BNHA = torch.cat([best_BHA[:, None], self.actions.sample(around, noise_BNHA)], dim=1)
            index_B = score(action_BNHA).argmax(dim=1)
            best_BHA = action_BNHA[torch.arange(len(index_B), device=index_B.device), index_B]
        return Plan(best_BHA, start.std, best_BHA[:, None])
