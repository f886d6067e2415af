"""Hill climbing over action sequences: perturb the best sequence, keep what scores higher."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from reverie.config.checks import at_least
from reverie.planning import PlannerConfig, Score
from reverie.types import Plan


@dataclass(frozen=True)
class HillClimbingConfig(PlannerConfig):
    """`iterations` rounds of `candidates` sequences; `std` of the perturbation in the first, halved in each next."""

    horizon: int = 8
    candidates: int = field(default=16, metadata=at_least(1))
    iterations: int = 3
    std: float = 0.5

    def build(self, action_size: int) -> "HillClimbing":
        return HillClimbing(self, action_size)


class HillClimbing:
    """Implements `Planner`. The best sequence so far is always a candidate, so a plan never becomes worse."""

    def __init__(self, config: HillClimbingConfig, action_size: int) -> None:
        self.config, self.action_size = config, action_size

    def start(self, batch: int, device: torch.device) -> Plan:
        """Zero actions, not informed by any score."""
        mean = torch.zeros(batch, self.config.horizon, self.action_size, device=device)
        return Plan(mean, torch.full_like(mean, self.config.std), mean[:, None])

    def noise(self, batch: int, generator: torch.Generator) -> Tensor:
        """Standard normal noise of one plan, (I, B, N, H, A)."""
        c = self.config
        shape = (c.iterations, batch, c.candidates, c.horizon, self.action_size)
        return torch.randn(shape, generator=generator, device=generator.device)

    def __call__(self, score: Score, start: Plan, noise: Tensor) -> Plan:
        best_BHA = start.elites[:, 0]
        for iteration, noise_BNHA in enumerate(noise):
            std = self.config.std / 2**iteration
            action_BNHA = (best_BHA[:, None] + std * noise_BNHA).clamp(-1, 1)
            action_BNHA = torch.cat([best_BHA[:, None], action_BNHA], dim=1)
            index_B = score(action_BNHA).argmax(dim=1)
            best_BHA = action_BNHA[torch.arange(len(index_B), device=index_B.device), index_B]
        return Plan(best_BHA, start.std, best_BHA[:, None])
