"""The optimizer of all modules, and Adam with clipping of the gradient's global norm. Another rule is one file."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from reverie.config.checks import above, at_least, between, positive
from reverie.config.choices import Choice
from reverie.types import Metrics


class Rule(Protocol):
    """What turns gradients into steps. Its state is part of a checkpoint."""

    def step(self, norm: Tensor) -> None:
        """Change the parameters by their `grad`, whose global norm is `norm`."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class OptimizerConfig(Choice):
    """The family of rules by which weights follow their gradients."""

    def build(self, parameters: list[nn.Parameter]) -> Rule:
        raise NotImplementedError


class Optimizer:
    """Updates exactly the given parameters.

    `torch.autograd.grad` differentiates by these alone, so an actor's loss leaves no gradients in the world model.
    """

    def __init__(self, config: OptimizerConfig, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        self.rule = config.build(self.parameters)

    def step(self, loss: Tensor) -> Metrics:
        """Update by the gradient of the scalar `loss`. Return `grad_norm`, the norm before clipping."""
        gradients = torch.autograd.grad(loss, self.parameters, allow_unused=True, materialize_grads=True)
        norm = nn.utils.get_total_norm(gradients)
        for parameter, gradient in zip(self.parameters, gradients):
            # The fused step pairs elements by their place in memory, whatever the strides.
            same_layout = gradient.stride() == parameter.stride()
            parameter.grad = gradient if same_layout else torch.empty_like(parameter).copy_(gradient)
        self.rule.step(norm)
        return {"grad_norm": norm.detach()}


@dataclass(frozen=True)
class AdamConfig(OptimizerConfig):
    """Adam (Kingma 2015); AdamW if `weight_decay` is not 0."""

    lr: float = field(default=3e-4, metadata=between(0, 10))
    """The learning rate."""
    eps: float = field(default=1e-7, metadata=positive())
    """Added to the root of the second moment."""
    clip: float = field(default=100.0, metadata=above(0))
    """The largest global norm of a gradient; a larger gradient is scaled down to it."""
    weight_decay: float = field(default=0.0, metadata=at_least(0))
    """Fraction of a weight, times `lr`, that each step subtracts (Loshchilov 2019)."""
    decay: int = field(default=0, metadata=at_least(0))
    """Steps of linear decay of the learning rate to a twentieth, constant afterwards; 0 means no decay."""

    def build(self, parameters: list[nn.Parameter]) -> "Adam":
        return Adam(self, parameters)


class Adam:
    """PyTorch's fused AdamW. It clips the global norm, and its learning rate may decay."""

    def __init__(self, config: AdamConfig, parameters: list[nn.Parameter]) -> None:
        self.config, self.parameters = config, parameters
        first = parameters[0]
        lr = torch.tensor(config.lr, device=first.device) if config.decay else config.lr
        options = {"eps": config.eps, "weight_decay": config.weight_decay}
        self.adam = torch.optim.AdamW(parameters, lr, **options, fused=True, capturable=first.is_cuda)
        self.state_dict, self.load_state_dict = self.adam.state_dict, self.adam.load_state_dict

    def step(self, norm: Tensor) -> None:
        nn.utils.clip_grads_with_norm_(self.parameters, self.config.clip, norm)
        self._decay()
        self.adam.step()

    @torch.no_grad()
    def _decay(self) -> None:
        """Set the learning rate of the next step. It follows from the number of steps, which stays on the device."""
        state = self.adam.state.get(self.parameters[0])
        if self.config.decay and state:
            left = (1 - state["step"] / self.config.decay).clamp(min=0.05)
            self.adam.param_groups[0]["lr"].copy_(self.config.lr * left)
