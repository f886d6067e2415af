"""The cross-entropy method: refit a Gaussian over action sequences to its best samples.

Rubinstein 1999; PlaNet (Hafner 2019), Alg. 2. `ICEMConfig` has the improvements of Pinneri 2020: noise correlated in
time, elites kept from one iteration to the next, a shrinking population, and the best sequence in place of the mean.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.errors import UserError
from reverie.planning.base import PlannerConfig, Score, initial_plan, white_noise
from reverie.types import Plan


@dataclass(frozen=True)
class CEMConfig(PlannerConfig):
    """PlaNet's defaults. A `min_std` above 0 keeps the std of a warm-started plan from vanishing."""

    horizon: int = 12
    candidates: int = 1000
    elites: int = 100
    iterations: int = 10
    min_std: float = 0.0

    def build(self, action_size: int) -> "CEM":
        if self.elites > self.candidates:
            raise UserError(
                f"CEM cannot keep the best {self.elites} of {self.candidates} candidates: lower its `elites`, or raise "
                "its `candidates`."
            )
        return CEM(self, action_size)


class CEM:
    """Implements `Planner`. Clips candidates to [-1, 1] before scoring, and executes the mean."""

    def __init__(self, config: CEMConfig, action_size: int) -> None:
        self.config, self.action_size = config, action_size

    def start(self, batch: int, device: torch.device) -> Plan:
        """N(0, 1) for every action."""
        return initial_plan((batch, self.config.horizon, self.action_size), 1.0, device)

    def noise(self, batch: int, generator: torch.Generator) -> Float[Tensor, "I B N H A"]:
        """Standard normal noise of one plan."""
        c = self.config
        return white_noise(c.iterations, batch, c.candidates, c.horizon, self.action_size, generator=generator)

    def __call__(self, score: Score, start: Plan, noise: Float[Tensor, "I B N H A"]) -> Plan:
        plan = start
        for noise_BNHA in noise:
            action_BNHA = (plan.mean[:, None] + plan.std[:, None] * noise_BNHA).clamp(-1, 1)
            elite_BKHA = select_elites(score(action_BNHA), action_BNHA, self.config.elites)
            mean = elite_BKHA.mean(1)
            std = elite_BKHA.std(1, correction=0).clamp(min=self.config.min_std)
            plan = Plan(mean, std, mean[:, None])
        return plan


@dataclass(frozen=True)
class ICEMConfig(PlannerConfig):
    """Pinneri 2020, Tab. S2 and Sec. 3: fewer candidates per plan.

    `color`: the exponent of the noise's power spectrum, 0 white, 2 red. `shrink`: the population is divided by it at
    each iteration, down to twice the elites. `keep_fraction`: the fraction of the elites that stay candidates.
    `momentum`: the weight of the old mean and std.
    """

    horizon: int = 12
    candidates: int = 64
    elites: int = 10
    iterations: int = 3
    color: float = 2.0
    shrink: float = 1.25
    keep_fraction: float = 0.3
    momentum: float = 0.1
    init_std: float = 0.5
    min_std: float = 0.0

    def build(self, action_size: int) -> "ICEM":
        return ICEM(self, action_size)

    @property
    def populations(self) -> list[int]:
        """Fresh candidates of each iteration."""
        return [max(round(self.candidates * self.shrink**-i), 2 * self.elites) for i in range(self.iterations)]


class ICEM:
    """Implements `Planner`. `Plan.elites` has the kept elites, best first; the best is executed."""

    def __init__(self, config: ICEMConfig, action_size: int) -> None:
        self.config, self.action_size = config, action_size
        self.keep = max(1, round(config.keep_fraction * config.elites))

    def start(self, batch: int, device: torch.device) -> Plan:
        """N(0, init_std) for every action; all kept elites are the zero sequence."""
        plan = initial_plan((batch, self.config.horizon, self.action_size), self.config.init_std, device)
        return replace(plan, elites=plan.elites.expand(-1, self.keep, -1, -1))

    def noise(self, batch: int, generator: torch.Generator) -> tuple[Float[Tensor, "B _ H A"], ...]:
        """Colored noise of unit variance, (B, N, H, A) an iteration, with a shrinking N."""
        c = self.config
        return tuple(
            color_noise(white_noise(batch, count, self.action_size, c.horizon, generator=generator), c.color).mT
            for count in c.populations
        )

    def __call__(self, score: Score, start: Plan, noise: tuple[Float[Tensor, "B _ H A"], ...]) -> Plan:
        c, plan = self.config, start
        for number, noise_BNHA in enumerate(noise, start=1):
            fresh_BNHA = (plan.mean[:, None] + plan.std[:, None] * noise_BNHA).clamp(-1, 1)
            others = [plan.elites, plan.mean[:, None]] if number == len(noise) else [plan.elites]
            action_BNHA = torch.cat([fresh_BNHA, *others], dim=1)
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
    """The `count` candidates with the highest scores, best first."""
    index_BK = score_BN.topk(count, dim=1).indices
    return action.take_along_dim(index_BK[:, :, None, None], dim=1)


def color_noise(white: Float[Tensor, "*b H"], exponent: float) -> Float[Tensor, "*b H"]:
    """Multiply the power spectrum of white noise by `f^-exponent`, and normalize each step to unit variance.

    Timmer & Koenig 1995, as in Pinneri 2020, Sec. 3.1; the lowest frequency is 1 / H, which the mean gets too.
    """
    length = white.shape[-1]
    frequency = torch.fft.rfftfreq(length, device=white.device)
    scale = frequency.clamp(min=1 / length) ** (-exponent / 2)
    # Parseval: the variance is the mean of the squared scales over all frequencies, the inner ones counted twice.
    twice = torch.full_like(scale, 2.0)
    twice[0] = 1.0
    if length % 2 == 0:
        twice[-1] = 1.0
    variance = (scale.square() * twice).sum() / length
    return torch.fft.irfft(torch.fft.rfft(white) * scale / variance.sqrt(), n=length)
