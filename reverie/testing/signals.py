"""Check a learning signal against the contract of `reverie.signals.base.Signal`."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from reverie import tree
from reverie.dynamics.rollout import observe, prev_action
from reverie.dynamics.rssm import RSSMConfig
from reverie.math import ranks
from reverie.signals.base import HasMetrics
from reverie.spaces import EnvSpec
from reverie.testing.batches import random_batch, small_spec
from reverie.testing.contract import (
    HostRead,
    NoHostReads,
    close,
    losses_while_fitting,
    require,
    require_gradients,
    require_permutes,
    violations,
    without_gradient,
)
from reverie.testing.ranks import on_ranks
from reverie.types import Batch, Trace

BATCH, TIME, EMBED = 3, 6, 7


def check_signal(config: Any, spec: EnvSpec | None = None) -> list[str]:
    """Check `config.build_with_embed(spec, feature_size, embed_size)` on traces of a small recurrent state-space model.

    `spec` has an image `pixels` of 16 x 16 and a vector `state` by default. Returns a sentence for each violation.
    """
    return violations(SignalContract, config, spec or small_spec())


class SignalCase:
    """A small model's dynamics, and a batch of B = 3 and T = 6 with the border of two episodes.

    Images are black or white, which 50 steps can learn. Embeddings are large, so that the divergence exceeds the free
    nats.
    """

    def __init__(self, spec: EnvSpec) -> None:
        self.dynamics = RSSMConfig(deter=8, hidden=8).build(EMBED, spec.action.size)
        self.embed = 5 * torch.randn(BATCH, TIME, EMBED)
        self.noise = torch.randn(BATCH, TIME, self.dynamics.noise_size)
        batch = random_batch(spec, BATCH, TIME)
        images = {
            name: 255 * (batch.obs[name][:, :, :1, :1, :1] // 128).expand_as(batch.obs[name])
            for name, space in spec.obs.items()
            if space.is_image
        }
        self.batch = replace(batch, obs=batch.obs | images)
        self.obs = {name: x / 255 - 0.5 if name in images else x for name, x in self.batch.obs.items()}

    def trace(self) -> Trace:
        """Filter the batch, so that gradients reach the dynamics."""
        return self.filter(self.batch, self.obs, self.embed, self.noise)

    def filter(self, batch: Batch, obs: dict[str, Tensor], embed: Tensor, noise: Tensor) -> Trace:
        """Filter a batch from the initial belief."""
        dynamics, action = self.dynamics, prev_action(batch.action)
        prior, posterior = observe(dynamics, dynamics.initial(len(action)), action, embed, batch.is_first, noise)
        return Trace(batch, obs, embed, prior, posterior, dynamics.features(posterior), dynamics, noise)


class SignalContract(SignalCase):
    """The rules of a signal."""

    def __init__(self, config: Any, spec: EnvSpec) -> None:
        super().__init__(spec)
        self._signal = config.build_with_embed(spec, self.dynamics.feature_size, EMBED)

    def loss_is_one_number_a_step(self) -> None:
        loss = self._signal.loss(self.trace())
        require(loss.shape == (BATCH, TIME), "`loss` must have the shape (B, T), one number a step.")
        require(loss.isfinite().all(), "`loss` must be finite.")

    def loss_permutes_with_the_batch(self) -> None:
        def loss(*columns: Any) -> Tensor:
            return self._signal.loss(self.filter(*columns))

        columns = (self.batch, self.obs, self.embed, self.noise)
        require_permutes(loss, columns, [2, 0, 1], "Permuting the batch must permute the loss.", atol=1e-4)

    def gradient_reaches_signal_and_model(self) -> None:
        loss = self._signal.loss(self.trace()).sum()
        require(loss.requires_grad, "The loss has no gradient.")
        loss.backward()
        require_gradients(self._signal)
        reached = len(without_gradient(self.dynamics)) < len(list(self.dynamics.parameters()))
        require(reached, "No gradient of the loss reaches the model, so the model learns nothing from this signal.")

    def training_reduces_the_loss(self) -> None:
        parameters = [*self._signal.parameters(), *self.dynamics.parameters()]
        losses = losses_while_fitting(lambda: self._signal.loss(self.trace()).mean(), parameters, 1e-2)
        lower = min(losses[-5:]) < losses[0] - 0.05 * abs(losses[0])
        require(lower, "50 steps of Adam on one batch must reduce the loss.")

    def metrics_are_numbers(self) -> None:
        if isinstance(self._signal, HasMetrics):
            metrics = self._signal.metrics(self.trace())
            numbers = bool(metrics) and all(value.shape == () and value.isfinite() for value in metrics.values())
            require(numbers, "`metrics` must give one or more finite tensors without axes.")

    def ranks_share_one_batch(self) -> None:
        """Each of three ranks has one sequence of the batch."""
        columns = (self.batch, self.obs, self.embed, self.noise)
        parameters = [*self._signal.parameters(), *self.dynamics.parameters()]

        def computed(columns: tuple[Any, ...]) -> tuple[Tensor, list[Tensor]]:
            loss = self._signal.loss(self.filter(*columns))
            gradients = torch.autograd.grad(loss.mean(), parameters, allow_unused=True, materialize_grads=True)
            return loss.detach(), list(ranks.average(gradients))

        loss, gradients = computed(columns)
        found = on_ranks(BATCH, lambda rank: computed(tree.map(ranks.own, columns)))
        same = close(torch.cat([part for part, _ in found]), loss, 1e-4) and close(found[0][1], gradients, 1e-4)
        require(
            same,
            "On several ranks the losses and the mean gradient must be those of the whole batch: a statistic of the "
            "batch needs `reverie.math.ranks`.",
        )

    def update_never_waits_for_the_device(self) -> None:
        trace = self.trace()
        try:
            with NoHostReads():
                self._signal.loss(trace).sum().backward()
                if isinstance(self._signal, HasMetrics):
                    self._signal.metrics(trace)
        except HostRead as read:
            require(False, f"The loss reads a tensor's value (`{read}`), so an update would wait for the device.")
