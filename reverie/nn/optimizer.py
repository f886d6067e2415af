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
    eps: float = 1e-7
    clip: float = 100.0
    weight_decay: float = 0.0
    decay: int = 0
    """Steps of linear decay of the learning rate to a twentieth, constant afterwards; 0 means no decay."""


LEAST_RATE = 0.05


class Optimizer:
    """Updates exactly the given parameters.

    Gradients are computed by `torch.autograd.grad` for these parameters only. A loss through other modules, such as an
    actor's through the world model, leaves no gradients there.
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
        """One update by the gradient of the scalar `loss`; returns `grad_norm`, the norm before clipping."""
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
        """Set the learning rate of the next step from the number of steps, both tensors on the device."""
        state = self.adam.state.get(self.parameters[0])
        if self.config.decay and state:
            left = (1 - state["step"] / self.config.decay).clamp(min=LEAST_RATE)
            self.adam.param_groups[0]["lr"].copy_(self.config.lr * left)
