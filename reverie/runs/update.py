"""One update: the model and the learner if there is one, from a batch and its noise to new weights and metrics.

The learner improves after the model's step, or in the same one if it is a `JointLearner`. An update never touches the
host: shapes are static, no branch depends on a tensor's value, metrics stay tensors. So the same function runs
eagerly, compiled, or as one graph of a GPU.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from reverie import tree
from reverie.data.latent_replay import LatentReplay
from reverie.learners.base import JointLearner, Learner
from reverie.math import ranks
from reverie.models.base import Model
from reverie.nn.optimizer import Optimizer, OptimizerConfig
from reverie.runs.execution import Execution, executed
from reverie.types import Batch, Metrics

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class UpdateNoise:
    """All standard noise of one update: `model` for the model's trace, `behavior` for the learner."""

    model: object
    behavior: object


Update = Callable[[Batch, UpdateNoise], Metrics]


def draw_noise(
    model: M, learner: Learner[M, Any] | None, batch: int, length: int, generator: torch.Generator
) -> UpdateNoise:
    """Draw the noise of one update from `batch` sequences of `length`."""
    of_model = model.noise(batch, length, generator)
    return UpdateNoise(of_model, None if learner is None else learner.noise(model, batch * length, generator))


def make_optimizers(
    config: OptimizerConfig, model: Model[Any, Any], learner: Learner[Any, Any] | None
) -> dict[str, Optimizer]:
    """Return the model's optimizer, which also trains a `JointLearner`, and those of another learner.

    What is frozen, by `requires_grad_(False)`, keeps its bits.
    """
    parameters = [*model.parameters(), *(learner.parameters() if isinstance(learner, JointLearner) else ())]
    learned = [parameter for parameter in parameters if parameter.requires_grad]
    return {"model": Optimizer(config, learned)} | ({} if learner is None else learner.optimizers())


def make_update(
    model: M,
    learner: Learner[M, Any] | None,
    optimizers: dict[str, Optimizer],
    execution: Execution,
    latents: LatentReplay | None = None,
) -> Update:
    """Return the update of the model, and of the learner if there is one. `execution`: see `runs.execution`.

    The posteriors of every batch overwrite the `latents` that a replay has.
    """

    def update(batch: Batch, noise: UpdateNoise) -> Metrics:
        trace = model.trace(batch, noise.model)
        if latents is not None and batch.context is not None:
            latents.write_latents(batch.context.columns, trace.posterior)
        losses = model.losses(trace)
        total = model.total(losses)
        measured = model.metrics(trace, losses)  # before the step, with the weights that made the trace
        metrics = {"loss/model": total.detach(), **measured}
        if isinstance(learner, JointLearner):
            loss, of_learner, statistics = learner.loss(model, trace, noise.behavior)
            metrics |= of_learner | {"grad_norm/model": optimizers["model"].step(total + loss)["grad_norm"]}
            learner.finish(statistics)
            return averaged(metrics)
        metrics["grad_norm/model"] = optimizers["model"].step(total)["grad_norm"]
        if learner is not None:
            belief = tree.flatten_batch(tree.detach(trace.posterior))
            metrics |= learner.update(model, belief, noise.behavior, optimizers)
        return averaged(metrics)

    return executed(update, execution)


def averaged(metrics: Metrics) -> Metrics:
    """Return the means over all ranks."""
    return dict(zip(metrics, ranks.average(list(metrics.values()))))


def own_part(learner: Learner[Any, Any] | None, batch: Batch, noise: UpdateNoise) -> tuple[Batch, UpdateNoise]:
    """Return this rank's part of a batch and its noise; all of it in a run of one process."""
    behavior = noise.behavior if learner is None else learner.part(noise.behavior)
    return tree.map(ranks.own, batch), UpdateNoise(tree.map(ranks.own, noise.model), behavior)
