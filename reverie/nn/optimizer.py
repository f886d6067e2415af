"""The optimizer of all modules: Adam with clipping of the gradient's global norm."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from reverie.config.checks import Checked, above, at_least, between, positive
from reverie.types import Metrics


@dataclass(frozen=True)
class AdamConfig(Checked):
    """Adam (Kingma 2015); AdamW if `weight_decay` is not 0."""

    lr: float = field(default=3e-4, metadata=between(0, 10))
    """The learning rate."""
    eps: float = field(default=1e-7, metadata=positive())
    """Added to the root of the second moment."""
    clip: float = field(default=100.0, metadata=above(0))
    """The largest global norm of a gradient; a larger gradient is scaled down to it."""
    weight_decay: float = field(default=0.0, metadata=between(0, 100))
    """Fraction of a weight, times `lr`, that each step subtracts (Loshchilov 2019)."""
    decay: int = field(default=0, metadata=at_least(0))
    """Steps of linear decay of the learning rate to a twentieth, constant afterwards; 0 means no decay."""


class Optimizer:
    """Updates exactly the given parameters.

    `torch.autograd.grad` differentiates by these alone, so an actor's loss leaves no gradients in the world model.
    """

    def __init__(self, config: AdamConfig, parameters: Iterable[nn.Parameter]) -> None:
        self.config = config
        self.parameters = list(parameters)
        first = self.parameters[0]
        lr = torch.tensor(config.lr, device=first.device) if config.decay else config.lr
        options = {"eps": config.eps, "weight_decay": config.weight_decay}
        self.adam = torch.optim.AdamW(self.parameters, lr, **options, fused=True, capturable=first.is_cuda)

    def step(self, loss: Tensor) -> Metrics:
        """Update by the gradient of the scalar `loss`. Return `grad_norm`, the norm before clipping."""
        gradients = torch.autograd.grad(loss, self.parameters, allow_unused=True, materialize_grads=True)
        norm = nn.utils.get_total_norm(gradients)
        for parameter, gradient in zip(self.parameters, gradients):
            # The fused step pairs elements by their place in memory, whatever the strides.
            same_layout = gradient.stride() == parameter.stride()
            parameter.grad = gradient if same_layout else torch.empty_like(parameter).copy_(gradient)
        nn.utils.clip_grads_with_norm_(self.parameters, self.config.clip, norm)
        self._decay()
        self.adam.step()
        return {"grad_norm": norm.detach()}

    @torch.no_grad()
    def _decay(self) -> None:
        """Set the learning rate of the next step. It follows from the number of steps, which stays on the device."""
        state = self.adam.state.get(self.parameters[0])
        if self.config.decay and state:
            left = (1 - state["step"] / self.config.decay).clamp(min=0.05)
            self.adam.param_groups[0]["lr"].copy_(self.config.lr * left)
