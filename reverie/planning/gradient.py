"""Planning by backpropagation through time: gradient ascent on the score with respect to the action sequence.

The chain rule through predicted rewards and transitions reaches every action. Stochastic transitions are
re-parametrized with the same noise at all steps of the search (common random numbers). Several starts are optimized at
once, and the best point visited by each is kept. Actions are clipped to [-1, 1] after each step.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.planning.base import PlannerConfig, Score, initial_plan, white_noise
from reverie.types import Plan

OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop}


@dataclass(frozen=True)
class GradientConfig(PlannerConfig):
    """`starts` sequences, optimized for `steps` of `optimizer` at `lr`; the first start is the plan's mean."""

    horizon: int = 12
    starts: int = 16
    steps: int = 20
    lr: float = 0.1
    optimizer: Literal["adam", "sgd", "rmsprop"] = "adam"
    std: float = 0.5

    def build(self, action_size: int) -> "Gradient":
        return Gradient(self, action_size)


class Gradient:
    """Implements `Planner`. `Plan.elites` has the best point of each start, best first; the best is executed."""

    def __init__(self, config: GradientConfig, action_size: int) -> None:
        self.config, self.action_size = config, action_size

    def start(self, batch: int, device: torch.device) -> Plan:
        """Zero actions; the other starts are `N(0, std)`."""
        return initial_plan((batch, self.config.horizon, self.action_size), self.config.std, device)

    def noise(self, batch: int, generator: torch.Generator) -> Float[Tensor, "B N H A"]:
        """Standard normal noise of the starts."""
        c = self.config
        return white_noise(batch, c.starts, c.horizon, self.action_size, generator=generator)

    def __call__(self, score: Score, start: Plan, noise: Float[Tensor, "B N H A"]) -> Plan:
        first = start.mean[:, None].expand(-1, 1, -1, -1)
        others = start.mean[:, None] + start.std[:, None] * noise[:, 1:]
        action, value = gradient_ascent(score, torch.cat([first, others], dim=1).clamp(-1, 1), self.config)
        order = value.argsort(dim=1, descending=True)
        elites = action.take_along_dim(order[:, :, None, None], dim=1)
        return Plan(elites[:, 0], start.std, elites)


def gradient_ascent(
    score: Score, start: Float[Tensor, "B N H A"], config: GradientConfig
) -> tuple[Float[Tensor, "B N H A"], Float[Tensor, "B N"]]:
    """The best point on the path from each start, and its score; calls `score` `config.steps + 1` times."""
    with torch.enable_grad():
        action = start.clone().requires_grad_(True)
        optimizer = OPTIMIZERS[config.optimizer]([action], lr=config.lr)
        best, best_value = start, torch.full_like(start[..., 0, 0], -torch.inf)
        for step in range(config.steps + 1):
            value = score(action)
            higher = value.detach() > best_value
            best = torch.where(higher[..., None, None], action.detach(), best)
            best_value = torch.where(higher, value.detach(), best_value)
            if step < config.steps:
                (action.grad,) = torch.autograd.grad(-value.sum(), action)
                optimizer.step()
                with torch.no_grad():
                    action.clamp_(-1, 1)
    return best, best_value
