"""Check a generative model of single images against the contract of `reverie.models.base.Model`."""

from typing import Any

import torch
from torch import Tensor

from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.testing.batches import random_batch
from reverie.testing.contract import (
    identical,
    losses_while_fitting,
    require,
    require_permutes,
    require_seeded,
    seeded,
    violations,
)
from reverie.types import Batch

BATCH, TIME = 5, 4
SPEC = EnvSpec({"view": Space((8, 8, 1), "uint8"), "side": Space((2,), "float32")}, ActionSpace(2, False), repeat=1)


def check_generative(config: Any, spec: EnvSpec = SPEC) -> list[str]:
    """Check `config.build(spec)`; return a sentence for each violation.

    `spec` has one image. By default it has 8 x 8 pixels and one channel, and there is a vector of two numbers.
    """
    return violations(GenerativeContract, config, spec)


class GenerativeContract:
    """A model, and a batch of B = 5 and T = 4."""

    def __init__(self, config: Any, spec: EnvSpec) -> None:
        self._model = config.build(spec)
        self._batch = random_batch(spec, BATCH, TIME)
        self._noise = self._model.noise(BATCH, TIME, seeded(1))

    def _losses(self, batch: Batch, noise: Any) -> dict[str, Tensor]:
        return self._model.losses(self._model.trace(batch, noise))

    def losses_are_one_number_a_step(self) -> None:
        losses = self._losses(self._batch, self._noise)
        require(losses.keys() == self._model.weights.keys(), "The names of `losses` and of `weights` must be the same.")
        for name, loss in losses.items():
            right = loss.shape == (BATCH, TIME) and bool(loss.isfinite().all())
            require(right, f"The loss `{name}` must be finite and have the shape (B, T), one number a step.")

    def trace_is_a_function_of_its_noise(self) -> None:
        first, again = (self._losses(self._batch, self._noise) for _ in range(2))
        require(identical(first, again), "The same noise must give the same losses, bit for bit.")
        first, again = (self._model.trace(self._batch, None) for _ in range(2))
        require(identical(first.output, again.output), "Without noise the trace must be the same every time.")
        require_seeded(lambda generator: self._model.noise(2, 3, generator))

    def losses_permute_with_the_batch(self) -> None:
        sentence = "Permuting the batch must permute the losses."
        require_permutes(self._losses, (self._batch, self._noise), [2, 0, 3, 1, 4], sentence, atol=1e-3)

    def evidence_exceeds_the_bound(self) -> None:
        noise = torch.stack([self._model.noise(BATCH, TIME, seeded(seed)) for seed in range(20)])
        each = torch.stack([self._model.evidence(self._batch, one[None]) for one in noise])
        evidence = self._model.evidence(self._batch, noise)
        require(evidence.shape == (BATCH, TIME), "`evidence` must have the shape (B, T), one number an image.")
        above = (evidence >= each.mean(0) - 1e-3).all()
        require(above, "`evidence` by many samples must not be below the bound by one.")

    def samples_are_images(self) -> None:
        images = self._model.imagine(self._model.targets(self._batch).condition, self._noise)
        shape = self._batch.obs[self._model.name].shape
        require(images.shape == shape, "`imagine` must give images of the data's shape.")
        require(images.min() >= 0 and images.max() <= 1, "`imagine` must give intensities from 0 to 1.")

    def training_reduces_the_loss(self) -> None:
        self._model.calibrate(self._batch)
        parameters = list(self._model.parameters())
        losses = losses_while_fitting(
            lambda: self._model.total(self._losses(self._batch, self._noise)), parameters, 3e-3
        )
        require(losses[-1] < losses[0] - 0.02 * abs(losses[0]), "50 steps of Adam on one batch must reduce the loss.")
