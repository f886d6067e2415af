"""One update: model, then behavior if there is any, from one batch and its noise to new weights and metrics.

It never touches the host: shapes are static, nothing branches on a tensor's value, metrics stay tensors. So the same
function runs eagerly or compiled.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from reverie import tree
from reverie.learners.base import Learner
from reverie.models.base import Model
from reverie.nn.optimizer import Optimizer
from reverie.types import Batch, Metrics


@dataclass(frozen=True)
class UpdateNoise:
    """All standard noise of one update: `model` for its trace, `behavior` what the learner asked for."""

    model: object
    behavior: object


M = TypeVar("M", bound=Model)
Update = Callable[[Batch, UpdateNoise], Metrics]


def draw_noise(
    model: M, learner: Learner[M, Any] | None, batch: int, length: int, generator: torch.Generator
) -> UpdateNoise:
    """The noise of one update from `batch` sequences of `length`; `learner` may be None."""
    return UpdateNoise(
        model.noise(batch, length, generator),
        None if learner is None else learner.noise(model, batch * length, generator),
    )


def make_update(model: M, learner: Learner[M, Any] | None, optimizers: dict[str, Optimizer], execution: str) -> Update:
    """The update of this model and learner, run as `execution` says: `eager` or `compiled`.

    With `learner` None only the model learns.
    """

    def update(batch: Batch, noise: UpdateNoise) -> Metrics:
        trace = model.trace(batch, noise.model)
        losses = model.losses(trace)
        total = model.total(losses)
        measured = model.metrics(
            trace, losses
        )  # before the step: signals measure the trace by the weights that made it
        step = optimizers["model"].step(total)
        metrics = {"loss/model": total.detach(), "grad_norm/model": step["grad_norm"], **measured}
        if learner is not None:
            belief = tree.flatten_batch(tree.detach(trace.posterior))
            metrics |= learner.update(model, belief, noise.behavior, optimizers)
        return metrics

    return torch.compile(update) if execution == "compiled" else update
