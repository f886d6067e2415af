"""LaProp with adaptive gradient clipping and a warm-up: DreamerV3's one optimizer for all parameters.

    g <- g / max(1, |g| / (clip max(least, |w|)))            Brock 2021, Eq. 1, by the norms of whole tensors
    v <- b2 v + (1 - b2) g^2,    g <- g / (sqrt(v / (1 - b2^t)) + eps)
    m <- b1 m + (1 - b1) g,      w <- w - lr m / (1 - b1^t)   Ziyin 2020: momentum of normalized gradients

Adam divides the momentum, LaProp divides the gradient before it enters the momentum. So a gradient of any size moves a
weight at most by `lr`, whatever the momentum. The published `eps` is so small that tiny gradients move weights at full
speed, such as those behind a head that is zero at the start.
"""

from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from reverie.config.checks import above, at_least, between, positive
from reverie.nn.optimizer import OptimizerConfig


@dataclass(frozen=True)
class LaPropConfig(OptimizerConfig):
    """LaProp; the defaults are DreamerV3's."""

    lr: float = field(default=4e-5, metadata=between(0, 10))
    """The learning rate."""
    eps: float = field(default=1e-20, metadata=positive())
    """Added to the root of the second moment."""
    momentum: float = field(default=0.9, metadata=between(0, 0.9999))
    """Decay b1 of the mean of normalized gradients."""
    decay: float = field(default=0.999, metadata=between(0, 0.999999))
    """Decay b2 of the mean of squared gradients."""
    clip: float = field(default=0.3, metadata=above(0))
    """The largest norm of a tensor's gradient, as a fraction of the norm of its weights."""
    least: float = field(default=1e-3, metadata=positive())
    """The least norm that weights count with, so that a tensor of zeros can move."""
    warmup: int = field(default=1_000, metadata=at_least(0))
    """Steps of linear warm-up of the learning rate from 0; the first step only starts the moments."""

    def build(self, parameters: list[nn.Parameter]) -> "LaProp":
        return LaProp(self, parameters)


class LaProp:
    """One step for all tensors, by the operations that PyTorch fuses over a list of tensors."""

    def __init__(self, config: LaPropConfig, parameters: list[nn.Parameter]) -> None:
        self.config, self.parameters = config, parameters
        self.weights = [p.detach() for p in parameters]
        self.square, self.mean = ([torch.zeros_like(w) for w in self.weights] for _ in range(2))
        self.steps = torch.zeros((), dtype=torch.float64, device=self.weights[0].device)

    @torch.no_grad()
    def step(self, norm: Tensor) -> None:
        config, ramp = self.config, self.steps / max(1, self.config.warmup)
        self.steps += 1
        fraction = (1 - beta**self.steps for beta in (config.decay, config.momentum))
        square_fraction, mean_fraction = (x.to(self.weights[0].dtype) for x in fraction)
        rate = config.lr * (ramp.clamp(max=1) if config.warmup else 1) / mean_fraction

        gradients = [cast(Tensor, p.grad) for p in self.parameters]
        norms, sizes = (torch.stack(torch._foreach_norm(tensors)) for tensors in (gradients, self.weights))
        excess = (norms / (config.clip * sizes.clamp(min=config.least))).clamp(min=1)
        gradients = torch._foreach_div(gradients, excess.unbind())

        torch._foreach_mul_(self.square, config.decay)
        torch._foreach_addcmul_(self.square, gradients, gradients, value=1 - config.decay)
        root = torch._foreach_sqrt(torch._foreach_div(self.square, square_fraction))
        torch._foreach_add_(root, config.eps)
        torch._foreach_lerp_(self.mean, torch._foreach_div(gradients, root), 1 - config.momentum)
        torch._foreach_sub_(self.weights, torch._foreach_mul(self.mean, rate.to(self.weights[0].dtype)))

    def state(self) -> dict[str, Any]:
        return {"steps": self.steps, "square": self.square, "mean": self.mean}

    def form(self) -> dict[str, Any]:
        return self.state()

    @torch.no_grad()
    def load_state(self, state: dict[str, Any]) -> None:
        self.steps.copy_(state["steps"])
        for name in ("square", "mean"):
            for own, saved in zip(getattr(self, name), state[name], strict=True):
                own.copy_(saved)
