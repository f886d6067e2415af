"""Model-predictive path integral control: the mean of all candidates, weighted by the exponential of their scores.

Williams 2017 (Information Theoretic MPC), Alg. 2, without its cost on controls; several iterations are allowed.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.planning.base import PlannerConfig, Score, initial_plan, white_noise
from reverie.types import Plan


@dataclass(frozen=True)
class MPPIConfig(PlannerConfig):
    """`temperature`, in standard deviations of the candidates' scores, so that it fits any unit of reward.

    `refit`: refit the std to the weighted candidates too (as TD-MPC does); else it stays `std`.
    """

    horizon: int = 12
    candidates: int = 256
    iterations: int = 4
    temperature: float = 0.2
    std: float = 0.5
    min_std: float = 0.05
    refit: bool = True

    def build(self, action_size: int) -> "MPPI":
        return MPPI(self, action_size)


class MPPI:
    """Implements `Planner`; executes the mean."""

    def __init__(self, config: MPPIConfig, action_size: int) -> None:
        self.config, self.action_size = config, action_size

    def start(self, batch: int, device: torch.device) -> Plan:
        """N(0, std) for every action."""
        return initial_plan((batch, self.config.horizon, self.action_size), self.config.std, device)

    def noise(self, batch: int, generator: torch.Generator) -> Float[Tensor, "I B N H A"]:
        """Standard normal noise of one plan."""
        c = self.config
        return white_noise(c.iterations, batch, c.candidates, c.horizon, self.action_size, generator=generator)

    def __call__(self, score: Score, start: Plan, noise: Float[Tensor, "I B N H A"]) -> Plan:
        c, plan = self.config, start
        for noise_BNHA in noise:
            action_BNHA = (plan.mean[:, None] + plan.std[:, None] * noise_BNHA).clamp(-1, 1)
            score_BN = score(action_BNHA)
            correction = min(1, c.candidates - 1)  # of a single candidate, 0 and not the 0 / 0 of the sample's
            unit = score_BN.std(1, keepdim=True, correction=correction).clamp(min=1e-6)
            weight = (score_BN / (c.temperature * unit)).softmax(1)[:, :, None, None]
            mean = (weight * action_BNHA).sum(1)
            std = plan.std
            if c.refit:
                std = (weight * (action_BNHA - mean[:, None]).square()).sum(1).sqrt().clamp(min=c.min_std)
            plan = Plan(mean, std, mean[:, None])
        return plan
