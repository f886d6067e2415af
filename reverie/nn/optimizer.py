"""The optimizer of all modules: Adam with clipping of the gradient's global norm."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reverie.types import Metrics


@dataclass(frozen=True)
class AdamConfig:
    """Adam (Kingma 2015); AdamW if `weight_decay` is not 0."""

    lr: float = 3e-4
    """The learning rate."""
    eps: float = 1e-7
    """Added to the root of the second moment."""
    clip: float = 100.0
    """The largest global norm of a gradient; a larger gradient is scaled down to it."""
    weight_decay: float = 0.0
    """Fraction of a weight, times `lr`, that each step subtracts (Loshchilov 2019)."""
    decay: int = 0
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
