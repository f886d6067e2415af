"""Does a generative model of single images keep the contract of `reverie.models.base.Model`?"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.testing.batches import random_batch
from reverie.testing.complaints import (
    complaints,
    identical,
    losses_while_fitting,
    require,
    require_permutes,
    require_seeded,
    seeded,
)
from reverie.types import Batch

BATCH, TIME, SIDE = 5, 4, 8
SPEC = EnvSpec(
    {"view": Space((SIDE, SIDE, 1), "uint8"), "side": Space((2,), "float32")}, ActionSpace(2, False), repeat=1
)


def check_generative(config: Any, spec: EnvSpec = SPEC) -> list[str]:
    """Build `config.build(spec)` and return what is wrong with the model; empty if nothing is.

    `spec` has one image; by default of 8 x 8 pixels and one channel, beside a vector of two numbers.
    """
    return complaints(lambda: _case(config, spec), PROMISES)


@dataclass(frozen=True)
class _Case:
    model: Any
    batch: Batch
    noise: Any


def _case(config: Any, spec: EnvSpec) -> _Case:
    model = config.build(spec)
    batch = random_batch(spec, BATCH, TIME)
    return _Case(model, batch, model.noise(BATCH, TIME, seeded(1)))


def losses_are_one_number_a_step(case: _Case) -> None:
    losses = case.model.losses(case.model.trace(case.batch, case.noise))
    require(losses.keys() == case.model.weights.keys(), "The names of `losses` and of `weights` must be the same.")
    for name, loss in losses.items():
        right = loss.shape == (BATCH, TIME) and bool(loss.isfinite().all())
        require(right, f"The loss `{name}` must be one finite number a step, of shape (B, T).")


def trace_is_a_function_of_its_noise(case: _Case) -> None:
    first, again = (case.model.losses(case.model.trace(case.batch, case.noise)) for _ in range(2))
    require(identical(first, again), "The same noise must give the same losses, bit for bit.")
    first, again = (case.model.trace(case.batch, None) for _ in range(2))
    require(identical(first.output, again.output), "Without noise the trace must be the same every time.")
    require_seeded(lambda generator: case.model.noise(2, 3, generator))


def batch_permutes(case: _Case) -> None:
    def losses(batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        return case.model.losses(case.model.trace(batch, noise))

    sentence = "Permuting the batch must permute the losses."
    require_permutes(losses, (case.batch, case.noise), [2, 0, 3, 1, 4], sentence, atol=1e-3)


def bound_is_below_the_evidence(case: _Case) -> None:
    noise = torch.stack([case.model.noise(BATCH, TIME, seeded(seed)) for seed in range(50)])
    each = torch.stack([case.model.evidence(case.batch, one[None]) for one in noise])
    evidence = case.model.evidence(case.batch, noise)
    require(evidence.shape == (BATCH, TIME), "`evidence` must be one number an image, of shape (B, T).")
    require((evidence >= each.mean(0) - 1e-3).all(), "`evidence` by many samples must not be below the bound by one.")


def samples_are_images(case: _Case) -> None:
    condition = case.model.targets(case.batch).condition
    images = case.model.imagine(condition, case.noise)
    require(images.shape == case.batch.obs[case.model.name].shape, "`imagine` must give images of the data's shape.")
    require(images.min() >= 0 and images.max() <= 1, "`imagine` must give intensities from 0 to 1.")


def fifty_steps_cut_the_loss(case: _Case) -> None:
    case.model.calibrate(case.batch)

    def loss() -> Tensor:
        return case.model.total(case.model.losses(case.model.trace(case.batch, case.noise)))

    losses = losses_while_fitting(loss, list(case.model.parameters()), 3e-3)
    require(losses[-1] < losses[0] - 0.02 * abs(losses[0]), "50 steps of Adam on one batch must cut the loss.")


PROMISES = (
    losses_are_one_number_a_step, trace_is_a_function_of_its_noise, batch_permutes, bound_is_below_the_evidence,
    samples_are_images, fifty_steps_cut_the_loss,
)  # fmt: skip
