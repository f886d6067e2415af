"""Does a learning signal keep the contract of `reverie.signals.base.Signal`?"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from reverie.dynamics.rollout import observe, prev_action
from reverie.dynamics.rssm import RSSMConfig
from reverie.signals.base import HasMetrics
from reverie.spaces import EnvSpec
from reverie.testing.batches import random_batch, small_spec
from reverie.testing.complaints import complaints, losses_while_fitting, require, require_permutes, without_gradient
from reverie.testing.host_reads import HostRead, NoHostReads
from reverie.types import Batch, Trace

BATCH, TIME, EMBED = 3, 6, 7


def check_signal(config: Any, spec: EnvSpec | None = None) -> list[str]:
    """Build `config.build(spec, feature_size)` and return what is wrong with the signal; empty if nothing is.

    It reads traces of a small recurrent state-space model. `spec` names what is observed: by default an image
    `pixels` of 16 x 16 and a vector `state`.
    """
    return complaints(lambda: _case(config, spec or small_spec()), PROMISES)


@dataclass(frozen=True)
class _Case:
    """A signal, a small model's dynamics, and a batch of B = 3 and T = 6 with an episode border."""

    signal: Any
    dynamics: Any
    batch: Batch
    obs: dict[str, Tensor]
    embed: Tensor
    noise: Tensor

    def trace(self) -> Trace:
        """The batch filtered anew, so that gradients reach the dynamics."""
        batch, dynamics = self.batch, self.dynamics
        action, start = prev_action(batch.action), dynamics.initial(len(batch.action))
        prior, posterior = observe(dynamics, start, action, self.embed, batch.is_first, self.noise)
        features = dynamics.features(posterior)
        return Trace(batch, self.obs, self.embed, prior, posterior, features, dynamics, self.noise)


def _case(config: Any, spec: EnvSpec) -> _Case:
    dynamics = RSSMConfig(deter=8, hidden=8).build(EMBED, spec.action.size)
    embed = 5 * torch.randn(BATCH, TIME, EMBED)  # a divergence well above what is free
    noise = torch.randn(BATCH, TIME, dynamics.noise_size)
    batch = random_batch(spec, BATCH, TIME)
    images = {  # black or white: what can be learned in 50 steps
        name: 255 * (batch.obs[name][:, :, :1, :1, :1] // 128).expand_as(batch.obs[name])
        for name, space in spec.obs.items()
        if space.is_image
    }
    batch = replace(batch, obs=batch.obs | images)
    obs = {name: x / 255 - 0.5 if name in images else x for name, x in batch.obs.items()}
    return _Case(config.build(spec, dynamics.feature_size), dynamics, batch, obs, embed, noise)


def loss_is_one_number_a_step(case: _Case) -> None:
    loss = case.signal.loss(case.trace())
    require(loss.shape == (BATCH, TIME), "`loss` must be one number a step, of shape (B, T).")
    require(loss.isfinite().all(), "`loss` must be finite.")


def batch_permutes(case: _Case) -> None:
    def loss(*columns: Any) -> Tensor:
        return case.signal.loss(_Case(case.signal, case.dynamics, *columns).trace())

    columns = (case.batch, case.obs, case.embed, case.noise)
    require_permutes(loss, columns, [2, 0, 1], "Permuting the batch must permute the loss.", atol=1e-4)


def gradient_reaches_signal_and_model(case: _Case) -> None:
    loss = case.signal.loss(case.trace()).sum()
    require(loss.requires_grad, "The loss has no gradient.")
    loss.backward()
    if names := without_gradient(case.signal):
        require(False, f"No gradient of the loss reaches the signal's parameters {', '.join(names)}.")
    reached = len(without_gradient(case.dynamics)) < len(list(case.dynamics.parameters()))
    require(reached, "No gradient of the loss reaches the model: it would learn nothing from this signal.")


def fifty_steps_cut_the_loss(case: _Case) -> None:
    parameters = [*case.signal.parameters(), *case.dynamics.parameters()]
    losses = losses_while_fitting(lambda: case.signal.loss(case.trace()).mean(), parameters, 1e-2)
    require(min(losses[-5:]) < losses[0] - 0.05 * abs(losses[0]), "50 steps of Adam on one batch must cut the loss.")


def metrics_are_numbers(case: _Case) -> None:
    if isinstance(case.signal, HasMetrics):
        metrics = case.signal.metrics(case.trace())
        numbers = bool(metrics) and all(value.shape == () and value.isfinite() for value in metrics.values())
        require(numbers, "`metrics` must give one or more finite tensors without axes.")


def nothing_is_read_on_the_host(case: _Case) -> None:
    trace = case.trace()
    try:
        with NoHostReads():
            case.signal.loss(trace).sum().backward()
            if isinstance(case.signal, HasMetrics):
                case.signal.metrics(trace)
    except HostRead as read:
        require(False, f"The loss reads a tensor's value (`{read}`): an update must not wait for the device.")


PROMISES = (
    loss_is_one_number_a_step, batch_permutes, gradient_reaches_signal_and_model, fifty_steps_cut_the_loss,
    metrics_are_numbers, nothing_is_read_on_the_host,
)  # fmt: skip
