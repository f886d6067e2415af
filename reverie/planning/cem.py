"""The cross-entropy method: refit a distribution over action sequences to its best samples.

Rubinstein 1999; PlaNet (Hafner 2019), Alg. 2. The distribution is a Gaussian, or categorical for discrete actions: its
probabilities are the frequencies among the elites, which are their mean. `ICEMConfig` has the improvements of Pinneri
2020: noise that is correlated in time, and a population that shrinks. Elites stay from one iteration to the next. The
best sequence is executed in place of the mean.

Departures: the noise of `ICEMConfig` has unit variance at every horizon. In the reference it has a std of 1.16 at a
horizon of 12, so the same `init_std` searches that much more widely there.
"""

from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.config.checks import at_least, below, between, positive
from reverie.errors import UserError
from reverie.planning.base import PlannerConfig, Score, SearchPlanner, white_noise
from reverie.spaces import ActionSpace
from reverie.types import Plan


@dataclass(frozen=True)
class CEMConfig(PlannerConfig):
    """The cross-entropy method, with PlaNet's defaults."""

    horizon: int = field(default=12, metadata=at_least(1))
    """Length H of a plan, in decisions."""
    candidates: int = field(default=1000, metadata=at_least(1))
    """Number N of samples in each iteration."""
    elites: int = field(default=100, metadata=at_least(1))
    """Number K of best samples that the distribution is refit to."""
    iterations: int = field(default=10, metadata=at_least(1))
    """Number I of refits in each search."""
    min_std: float = field(default=0.0, metadata=at_least(0))
    """Lower bound of the std. Above 0, the std of a warm-started plan cannot vanish. Discrete choices weigh at least
    its square."""

    def build(self, action: ActionSpace) -> "CEM":
        if self.elites > self.candidates:
            raise UserError(
                f"CEM cannot keep the best {self.elites} of {self.candidates} candidates: lower its `elites`, or raise "
                "its `candidates`."
            )
        return CEM(self, self.horizon, action)


class CEM(SearchPlanner[CEMConfig]):
    """Implements `Planner`. Executes the mean, or the most likely choices."""

    def noise(self, batch: int, generator: torch.Generator) -> Float[Tensor, "I B N H A"]:
        c = self.config
        return white_noise(c.iterations, batch, c.candidates, self.horizon, self.action_size, generator=generator)

    def __call__(self, score: Score, start: Plan, noise: Float[Tensor, "I B N H A"]) -> Plan:
        plan = start
        for noise_BNHA in noise:
            action_BNHA = self.actions.sample(plan, noise_BNHA)
            elite_BKHA = select_elites(score(action_BNHA), action_BNHA, self.config.elites)
            mean = elite_BKHA.mean(1)
            std = elite_BKHA.std(1, correction=0).clamp(min=self.config.min_std)
            plan = Plan(mean, std, self.actions.nearest(mean)[:, None])
        return plan


@dataclass(frozen=True)
class ICEMConfig(PlannerConfig):
    """The improved cross-entropy method (Pinneri 2020, Sec. 3 and Tab. S2): fewer candidates per plan."""

    horizon: int = field(default=12, metadata=at_least(1))
    """Length H of a plan, in decisions."""
    candidates: int = field(default=64, metadata=at_least(1))
    """Number of fresh samples in the first iteration."""
    elites: int = field(default=10, metadata=at_least(1))
    """Number K of best samples that the distribution is refit to."""
    iterations: int = field(default=3, metadata=at_least(1))
    """Number of refits in each search."""
    color: float = field(default=2.0, metadata=between(0, 10))
    """Exponent of the noise's power spectrum `f^-color`: 0 is white, 2 is red."""
    shrink: float = field(default=1.25, metadata=between(1, 1000))
    """Divisor of the population after each iteration. At least twice the elites remain."""
    keep_fraction: float = field(default=0.3, metadata=between(0, 1))
    """Fraction of the elites that stay candidates, in [0, 1]."""
    momentum: float = field(default=0.1, metadata=below(1))
    """Weight of the old mean and std in a refit, in [0, 1)."""
    init_std: float = field(default=0.5, metadata=positive())
    """Standard deviation of the initial plan; actions lie in [-1, 1]. In a warm start, discrete choices weigh at least
    its square."""
    min_std: float = field(default=0.0, metadata=at_least(0))
    """Lower bound of the std of the elites. Discrete choices weigh at least its square."""

    def build(self, action: ActionSpace) -> "ICEM":
        return ICEM(self, self.horizon, action, self.init_std)

    @property
    def populations(self) -> list[int]:
        """The number of fresh candidates in each iteration."""
        return [max(round(self.candidates * self.shrink**-i), 2 * self.elites) for i in range(self.iterations)]


class ICEM(SearchPlanner[ICEMConfig]):
    """Implements `Planner`. `Plan.elites` has the kept elites, best first. Executes the best."""

    @property
    def keep(self) -> int:
        """The number of elites that stay candidates, at least 1."""
        return max(1, round(self.config.keep_fraction * self.config.elites))

    def start(self, batch: int, device: torch.device) -> Plan:
        plan = super().start(batch, device)
        return replace(plan, elites=plan.elites.expand(-1, self.keep, -1, -1))

    def noise(self, batch: int, generator: torch.Generator) -> tuple[Float[Tensor, "B _ H A"], ...]:
        """Draw colored noise of unit variance for the shrinking population of each iteration."""
        c = self.config
        white = (white_noise(batch, n, self.action_size, self.horizon, generator=generator) for n in c.populations)
        return tuple(color_noise(noise, c.color).mT for noise in white)

    def __call__(self, score: Score, start: Plan, noise: tuple[Float[Tensor, "B _ H A"], ...]) -> Plan:
        c, plan = self.config, start
        for iteration, noise_BNHA in enumerate(noise, start=1):
            candidates = [self.actions.sample(plan, noise_BNHA), plan.elites]
            if iteration == len(noise):
                candidates.append(self.actions.nearest(plan.mean)[:, None])
            action_BNHA = torch.cat(candidates, dim=1)
            elite_BKHA = select_elites(score(action_BNHA), action_BNHA, c.elites)
            std = elite_BKHA.std(1, correction=0).clamp(min=c.min_std)
            plan = Plan(
                c.momentum * plan.mean + (1 - c.momentum) * elite_BKHA.mean(1),
                c.momentum * plan.std + (1 - c.momentum) * std,
                elite_BKHA[:, : self.keep],
            )
        return plan


def select_elites(
    score_BN: Float[Tensor, "B N"], action: Float[Tensor, "B N H A"], count: int
) -> Float[Tensor, "B K H A"]:
    """Return the K = `count` candidates with the highest scores, best first."""
    index_BK = score_BN.topk(count, dim=1).indices
    return action.take_along_dim(index_BK[:, :, None, None], dim=1)


def color_noise(white: Float[Tensor, "*b H"], exponent: float) -> Float[Tensor, "*b H"]:
    """Multiply the power spectrum of white noise by `f^-exponent`, and normalize each step to unit variance.

    Timmer & Koenig 1995, as in Pinneri 2020, Sec. 3.1. The lowest frequency is 1 / H, also for the mean.
    """
    length = white.shape[-1]
    frequency = torch.fft.rfftfreq(length, device=white.device)
    scale = frequency.clamp(min=1 / length) ** (-exponent / 2)
    # Parseval: the variance is the mean of the squared scales over all H frequencies. Of a real signal, rfft returns
    # each inner frequency once for two.
    count = torch.full_like(scale, 2.0)
    count[0] = 1.0
    if length % 2 == 0:
        count[-1] = 1.0
    variance = (scale.square() * count).sum() / length
    return torch.fft.irfft(torch.fft.rfft(white) * scale / variance.sqrt(), n=length)
