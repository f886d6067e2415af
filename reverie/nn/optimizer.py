"""The optimizer of all modules, and Adam with clipping of the gradient's global norm."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast

import torch
from torch import Tensor, nn

from reverie.config.checks import above, at_least, between, positive
from reverie.config.choices import Choice
from reverie.math import ranks
from reverie.types import Metrics


class Rule(Protocol):
    """What turns gradients into steps."""

    def step(self, norm: Tensor) -> None:
        """Change the parameters by their `grad`, whose global norm is `norm`."""

    def state(self) -> Any:
        """Return what a checkpoint holds: tensors in lists and dicts."""

    def form(self) -> Any:
        """Return what `state` may look like (`runs.structure`)."""

    def load_state(self, state: Any) -> None:
        """Restore what `state` returned, on any device. The settings stay those of the config."""


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
        self.scale: Tensor | None = None

    def scale_steps(self, scale: float) -> None:
        """Multiply every step from now on by a number from 0 to 1, as if the rule's learning rate were smaller.

        At 1 a step keeps all its bits. The number lies on the device, so that an update may be compiled.
        """
        if self.scale is None:
            self.scale = torch.ones((), device=self.parameters[0].device)
        self.scale.fill_(scale)

    def step(self, loss: Tensor) -> Metrics:
        """Update by the gradient of the scalar `loss`. Return `grad_norm`, the norm before clipping."""
        own = torch.autograd.grad(loss, self.parameters, allow_unused=True, materialize_grads=True)
        gradients = ranks.average(own)  # before clipping, as of one batch
        norm = nn.utils.get_total_norm(gradients)
        for parameter, gradient in zip(self.parameters, gradients):
            # The fused step pairs elements by their place in memory, whatever the strides.
            same_layout = gradient.stride() == parameter.stride()
            parameter.grad = gradient if same_layout else torch.empty_like(parameter).copy_(gradient)
        before = None if self.scale is None else [parameter.detach().clone() for parameter in self.parameters]
        self.rule.step(norm)
        if before is not None:
            self._shorten(before)
        return {"grad_norm": norm.detach()}

    @torch.no_grad()
    def _shorten(self, before: list[Tensor]) -> None:
        """Take the scaled step instead: `w <- w0 + scale (w - w0)`."""
        for parameter, start in zip(self.parameters, before):
            parameter.copy_(torch.lerp(start, parameter, cast(Tensor, self.scale)))


@dataclass(frozen=True)
class AdamConfig(OptimizerConfig):
    """Adam (Kingma 2015), with the weight decay of your choice."""

    lr: float = field(default=3e-4, metadata=between(0, 10))
    """The learning rate."""
    eps: float = field(default=1e-7, metadata=positive())
    """Added to the root of the second moment."""
    epsilon_hat: bool = False
    """Whether `eps` is added before the root is corrected for its bias, as TensorFlow does.

    It then counts 32 times at the first step, and once after some thousands (Kingma 2015, end of Sec. 2)."""
    clip: float = field(default=100.0, metadata=above(0))
    """The largest global norm of a gradient; a larger gradient is scaled down to it."""
    weight_decay: float = field(default=0.0, metadata=between(0, 100))
    """How much each step shrinks the weights, in the unit of `decay_by`."""
    decay_by: Literal["rate", "fraction", "gradient"] = "rate"
    """What `weight_decay` is.

    `rate`: times `lr` the fraction of a weight that a step subtracts (AdamW, Loshchilov 2019). `fraction`: that
    fraction, whatever the learning rate (published code of DreamerV2). `gradient`: times the weight a part of the
    clipped gradient, so an L2 penalty (PyTorch's Adam)."""
    warmup: int = field(default=0, metadata=at_least(0))
    """Steps in which the learning rate rises linearly, from 0 in the first of them."""
    decay: int = field(default=0, metadata=at_least(0))
    """Steps of linear decay of the learning rate to a twentieth, constant afterwards; 0 means no decay."""

    def build(self, parameters: list[nn.Parameter]) -> "Adam":
        return Adam(self, parameters)


class TensorFlowAdam(torch.optim.AdamW):
    """Adam with `eps` where TensorFlow has it ("epsilon hat"); the state is that of PyTorch's.

    w <- w - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps)
    """

    @torch.no_grad()
    def step(self) -> None:  # pyrefly: ignore[bad-override]
        group = self.param_groups[0]
        parameters, (b1, b2), lr = group["params"], group["betas"], group["lr"]
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["step"] = torch.zeros((), device=parameter.device)
                for name in ("exp_avg", "exp_avg_sq"):
                    self.state[parameter][name] = torch.zeros_like(parameter)
        steps, m, v = ([self.state[p][name] for p in parameters] for name in ("step", "exp_avg", "exp_avg_sq"))
        gradients = [parameter.grad for parameter in parameters]
        torch._foreach_add_(steps, 1)
        torch._foreach_lerp_(m, gradients, 1 - b1)
        torch._foreach_mul_(v, b2)
        torch._foreach_addcmul_(v, gradients, gradients, 1 - b2)
        root = torch._foreach_sqrt(v)
        torch._foreach_add_(root, group["eps"])
        change = torch._foreach_div(m, root)
        torch._foreach_mul_(change, lr * (1 - b2 ** steps[0]).sqrt() / (1 - b1 ** steps[0]))
        torch._foreach_mul_(parameters, 1 - lr * group["weight_decay"])
        torch._foreach_sub_(parameters, change)


class Adam:
    """PyTorch's fused AdamW, or TensorFlow's Adam. It clips the global norm, and its learning rate may change."""

    def __init__(self, config: AdamConfig, parameters: list[nn.Parameter]) -> None:
        self.config, self.parameters = config, parameters
        first = parameters[0]
        lr = config.lr if not config.warmup else 0.0
        self.scheduled = config.decay > 0 or config.warmup > 0
        options = {
            "lr": lr,
            "eps": config.eps,
            "weight_decay": config.weight_decay if config.decay_by == "rate" else 0.0,
        }
        if config.epsilon_hat:
            self.adam = TensorFlowAdam(parameters, **options)
        else:
            self.adam = torch.optim.AdamW(parameters, **options, fused=True, capturable=first.is_cuda)
        if self.scheduled:
            self.adam.param_groups[0]["lr"] = torch.full((), lr, device=first.device)

    def step(self, norm: Tensor) -> None:
        nn.utils.clip_grads_with_norm_(self.parameters, self.config.clip, norm)
        if self.scheduled:
            self._set_rate()
        if self.config.weight_decay and self.config.decay_by != "rate":
            self._shrink()
        self.adam.step()

    def state(self) -> list[dict[str, Tensor]]:
        """Return the moments and the number of steps of each parameter, in order; nothing before the first step."""
        return [dict(self.adam.state[parameter]) for parameter in self.parameters if parameter in self.adam.state]

    def form(self) -> tuple[list[Any], list[dict[str, Tensor]]]:
        """Return what `state` may look like: before the first step, and after it."""
        step = torch.zeros(())
        return [], [{"step": step, "exp_avg": x.detach(), "exp_avg_sq": x.detach()} for x in self.parameters]

    def load_state(self, state: list[dict[str, Tensor]]) -> None:
        """Restore what `state` returned, on any device. The settings stay those of the config."""
        settings = self.adam.state_dict()["param_groups"]
        self.adam.load_state_dict({"state": dict(enumerate(state)), "param_groups": settings})

    @torch.no_grad()
    def _set_rate(self) -> None:
        """Set the learning rate of the next step. It follows from the number of steps, which stays on the device."""
        config, state = self.config, self.adam.state.get(self.parameters[0])
        if not state:  # the first step has the rate of the start
            return
        rate = config.lr
        if config.warmup:
            rate = rate * (state["step"] / config.warmup).clamp(max=1.0)
        if config.decay:
            rate = rate * (1 - state["step"] / config.decay).clamp(min=0.05)
        self.adam.param_groups[0]["lr"].copy_(rate)

    @torch.no_grad()
    def _shrink(self) -> None:
        """Apply a weight decay that AdamW does not have."""
        for parameter in self.parameters:
            if self.config.decay_by == "fraction":
                parameter.mul_(1 - self.config.weight_decay)
            elif parameter.grad is not None:
                parameter.grad.add_(parameter, alpha=self.config.weight_decay)
