"""Planning with backpropagation through time: climb the score's gradient with respect to the whole action sequence.

Rewards and transitions are known functions, so the chain rule reaches every action; where they are stochastic the
score is a function of the noise too (re-parametrized, the same for all steps of a plan: common random numbers). Several
starts climb at once and the best point that any of them has passed is kept; bounds are respected by clipping after each
step.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.planning.base import Score, initial_plan, white_noise
from reverie.types import Plan

OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop}


@dataclass(frozen=True)
class GradientConfig:
    """`starts` sequences, `steps` of `optimizer` at `lr` each; the first start is the plan's mean itself."""

    horizon: int = 12
    starts: int = 16
    steps: int = 20
    lr: float = 0.1
    optimizer: Literal["adam", "sgd", "rmsprop"] = "adam"
    std: float = 0.5

    def build(self, action_size: int) -> "Gradient":
        return Gradient(self, action_size)


class Gradient:
    """Implements `Planner`. `Plan.elites` are the best points of all starts, the very best first, which is executed."""

    def __init__(self, config: GradientConfig, action_size: int) -> None:
        self.config, self.action_size = config, action_size

    def start(self, batch: int, device: torch.device) -> Plan:
        """A plan that knows nothing: zeros, and starts spread by `std` around them."""
        return initial_plan((batch, self.config.horizon, self.action_size), self.config.std, device)

    def noise(self, batch: int, generator: torch.Generator) -> Float[Tensor, "B N H A"]:
        """Standard normal noise that spreads the starts."""
        c = self.config
        return white_noise(batch, c.starts, c.horizon, self.action_size, generator=generator)

    def __call__(self, score: Score, start: Plan, noise: Float[Tensor, "B N H A"]) -> Plan:
        first = start.mean[:, None].expand(-1, 1, -1, -1)
        spread = start.mean[:, None] + start.std[:, None] * noise[:, 1:]
        found, value = climb(score, torch.cat([first, spread], dim=1).clamp(-1, 1), self.config)
        order = value.argsort(dim=1, descending=True)
        elites = found.take_along_dim(order[:, :, None, None], dim=1)
        return Plan(elites[:, 0], start.std, elites)


def climb(
    score: Score, begin: Float[Tensor, "B N H A"], config: GradientConfig
) -> tuple[Float[Tensor, "B N H A"], Float[Tensor, "B N"]]:
    """The best point on the way up from each beginning, and its score; `config.steps + 1` scorings."""
    with torch.enable_grad():
        action = begin.clone().requires_grad_(True)
        optimizer = OPTIMIZERS[config.optimizer]([action], lr=config.lr)
        top, top_value = begin, torch.full_like(begin[..., 0, 0], -torch.inf)
        for step in range(config.steps + 1):
            value = score(action)
            higher = value.detach() > top_value
            top = torch.where(higher[..., None, None], action.detach(), top)
            top_value = torch.where(higher, value.detach(), top_value)
            if step < config.steps:
                (action.grad,) = torch.autograd.grad(-value.sum(), action)
                optimizer.step()
                with torch.no_grad():
                    action.clamp_(-1, 1)
    return top, top_value
