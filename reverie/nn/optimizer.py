"""One optimizer for everything that learns: Adam with the gradient clipped by its global norm."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reverie.types import Metrics


@dataclass(frozen=True)
class AdamConfig:
    """Adam (Kingma 2015), with decoupled weight decay where it is not 0."""

    lr: float = 3e-4
    eps: float = 1e-7
    clip: float = 100.0
    weight_decay: float = 0.0
    decay: int = 0
    """Steps over which the learning rate falls linearly to a twentieth, and then stays; 0 keeps it as it is."""


LEAST_RATE = 0.05


class Optimizer:
    """Steps exactly the parameters that it was given.

    Gradients come from `torch.autograd.grad` for these parameters alone: a loss that passes through other
    modules (an actor's through the world model) neither computes nor leaves gradients there.
    """

    def __init__(self, config: AdamConfig, parameters: Iterable[nn.Parameter]) -> None:
        self.config = config
        self.parameters = list(parameters)
        on_gpu = self.parameters[0].is_cuda
        self.adam = torch.optim.AdamW(
            self.parameters,
            lr=torch.tensor(config.lr, device=self.parameters[0].device) if config.decay else config.lr,
            eps=config.eps,
            weight_decay=config.weight_decay,
            fused=True,
            capturable=on_gpu,
        )

    def step(self, loss: Tensor) -> Metrics:
        """One update by the gradient of the scalar `loss`; returns the gradient's norm before clipping."""
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
        """Set the rate of the coming step, a tensor, from the number of steps made, a tensor too."""
        state = self.adam.state.get(self.parameters[0])
        if self.config.decay and state:
            left = (1 - state["step"] / self.config.decay).clamp(min=LEAST_RATE)
            self.adam.param_groups[0]["lr"].copy_(self.config.lr * left)
