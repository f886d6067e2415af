"""Model-predictive path integral control: the mean of all candidates, weighted by the exponential of their scores.

Williams 2017 (Information Theoretic MPC), Alg. 2, without its cost on controls and with several iterations. The mean
of discrete actions has the probabilities from which the next candidates are drawn.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.config.checks import at_least, positive
from reverie.planning.base import PlannerConfig, Score, SearchPlanner, white_noise
from reverie.spaces import ActionSpace
from reverie.types import Plan


@dataclass(frozen=True)
class MPPIConfig(PlannerConfig):
    """Model-predictive path integral control."""

    horizon: int = field(default=12, metadata=at_least(1))
    """Length H of a plan, in decisions."""
    candidates: int = field(default=256, metadata=at_least(1))
    """Number N of samples in each iteration."""
    iterations: int = field(default=4, metadata=at_least(1))
    """Number I of refits in each search."""
    temperature: float = field(default=0.2, metadata=positive())
    """Temperature of the weights, in standard deviations of the candidates' scores, so that it fits any reward."""
    std: float = field(default=0.5, metadata=positive())
    """Standard deviation of the initial plan; actions lie in [-1, 1]. In a warm start, discrete choices weigh at least
    its square."""
    min_std: float = field(default=0.05, metadata=at_least(0))
    """Lower bound of the refit std. Discrete choices weigh at least its square."""
    refit: bool = True
    """Whether the std is refit to the weighted candidates, as in TD-MPC. Else it stays constant."""

    def build(self, action: ActionSpace) -> "MPPI":
        return MPPI(self, self.horizon, action, self.std)


class MPPI(SearchPlanner[MPPIConfig]):
    """Implements `Planner`. Executes the mean, or the most likely choices."""

    def noise(self, batch: int, generator: torch.Generator) -> Float[Tensor, "I B N H A"]:
        c = self.config
        return white_noise(c.iterations, batch, c.candidates, self.horizon, self.action_size, generator=generator)

    def __call__(self, score: Score, start: Plan, noise: Float[Tensor, "I B N H A"]) -> Plan:
        c, plan = self.config, start
        for noise_BNHA in noise:
            action_BNHA = self.actions.sample(plan, noise_BNHA)
            score_BN = score(action_BNHA)
            correction = min(1, c.candidates - 1)  # the std of a single candidate is 0, not 0 / 0
            unit = score_BN.std(1, keepdim=True, correction=correction).clamp(min=1e-6)
            weight = (score_BN / (c.temperature * unit)).softmax(1)[:, :, None, None]
            mean = (weight * action_BNHA).sum(1)
            std = plan.std
            if c.refit:
                std = (weight * (action_BNHA - mean[:, None]).square()).sum(1).sqrt().clamp(min=c.min_std)
            plan = Plan(mean, std, self.actions.nearest(mean)[:, None])
        return plan
