"""Planning by backpropagation through time: gradient ascent on the score with respect to the action sequence.

    a := clip(a + lr dS/da, -1, 1)

The chain rule through predicted rewards and transitions reaches every action. Several starts are optimized at once, and
the best point on the path from each is kept. The same noise re-parametrizes stochastic transitions at all steps of the
search (common random numbers).

Discrete actions are relaxed: ascent moves a point x of [-1, 1]^A. The score sees the choice of its largest entry, and
the gradient is that of softmax(x) (straight-through, Bengio 2013).
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.config.checks import at_least, positive
from reverie.planning.actions import Actions, actions_of
from reverie.planning.base import Planner, PlannerConfig, Score, SearchPlanner, white_noise
from reverie.planning.cem import CEMConfig, ICEMConfig
from reverie.spaces import ActionSpace
from reverie.types import Plan

OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop}
COUNTS_STEPS = ("adam", "rmsprop")
"""Optimizers with a count of steps, which must lie on a GPU for a search to be one graph."""


@dataclass(frozen=True)
class GradientConfig(PlannerConfig):
    """Gradient ascent on the score."""

    horizon: int = field(default=12, metadata=at_least(1))
    """Length H of a plan, in decisions."""
    starts: int = field(default=16, metadata=at_least(1))
    """Number N of sequences that are optimized side by side. The first is the plan's mean."""
    steps: int = field(default=20, metadata=at_least(1))
    """Number of steps of the optimizer, 0 or more."""
    lr: float = field(default=0.1, metadata=positive())
    """Learning rate; actions lie in [-1, 1], and so do the points that choose discrete ones."""
    optimizer: Literal["adam", "sgd", "rmsprop"] = "adam"
    """Optimizer of the action sequences."""
    std: float = field(default=0.5, metadata=positive())
    """Standard deviation of the other starts around the plan's mean. Discrete choices weigh at least its square."""

    def build(self, action: ActionSpace) -> "Gradient":
        return Gradient(self, self.horizon, action, self.std)


class Gradient(SearchPlanner[GradientConfig]):
    """Implements `Planner`. `Plan.elites` has the best point of each start, best first. Executes the best."""

    def noise(self, batch: int, generator: torch.Generator) -> Float[Tensor, "B N H A"]:
        return white_noise(batch, self.config.starts, self.horizon, self.action_size, generator=generator)

    def __call__(self, score: Score, start: Plan, noise: Float[Tensor, "B N H A"]) -> Plan:
        first, others = self.actions.nearest(start.mean)[:, None], self.actions.sample(start, noise[:, 1:])
        elites = gradient_ascent(score, torch.cat([first, others], dim=1), self.config, self.actions)
        return Plan(elites[:, 0], start.std, elites)


def gradient_ascent(
    score: Score, start: Float[Tensor, "B N H A"], config: GradientConfig, actions: Actions
) -> Float[Tensor, "B N H A"]:
    """Return the best point on the path from each start, best first. Calls `score` `config.steps + 1` times."""
    with torch.enable_grad():
        point = actions.relax(start).clone().requires_grad_(True)
        options: dict[str, Any] = {"capturable": point.is_cuda} if config.optimizer in COUNTS_STEPS else {}
        optimizer = OPTIMIZERS[config.optimizer]([point], lr=config.lr, **options)
        best, best_value = start, torch.full_like(start[..., 0, 0], -torch.inf)
        for step in range(config.steps + 1):
            action = actions.nearest(point)
            value = score(action)
            higher = value.detach() > best_value
            best = torch.where(higher[..., None, None], action.detach(), best)
            best_value = torch.where(higher, value.detach(), best_value)
            if step < config.steps:
                (point.grad,) = torch.autograd.grad(-value.sum(), point)
                optimizer.step()
                with torch.no_grad():
                    point.clamp_(-1, 1)
    order = best_value.argsort(dim=1, descending=True)
    return best.take_along_dim(order[:, :, None, None], dim=1)


@dataclass(frozen=True)
class CEMThenGradientConfig(PlannerConfig):
    """A search without gradients, then gradient ascent from its elites."""

    search: CEMConfig | ICEMConfig = field(default_factory=ICEMConfig)
    """The search, which also sets the horizon."""
    gradient: GradientConfig = field(default_factory=lambda: GradientConfig(steps=5))
    """The gradient ascent; its `starts`, `horizon` and `std` are not used."""

    @property
    def horizon(self) -> int:
        """H, the search's."""
        return self.search.horizon

    def build(self, action: ActionSpace) -> "CEMThenGradient":
        return CEMThenGradient(self, action)


class CEMThenGradient:
    """Implements `Planner`: the search's plan with refined elites, best first."""

    def __init__(self, config: CEMThenGradientConfig, action: ActionSpace) -> None:
        self.gradient, self.actions = config.gradient, actions_of(action)
        self.search: Planner = config.search.build(action)
        self.start, self.noise = self.search.start, self.search.noise

    def __call__(self, score: Score, start: Plan, noise: Tensor | tuple[Tensor, ...]) -> Plan:
        plan = self.search(score, start, noise)
        return Plan(plan.mean, plan.std, gradient_ascent(score, plan.elites, self.gradient, self.actions))
