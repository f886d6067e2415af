"""Do dynamics, and their parts (latents and forward models), keep the contracts of `reverie.dynamics`?"""

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

from reverie import tree
from reverie.dynamics.rollout import imagine, observe
from reverie.testing.complaints import (
    close,
    complaints,
    identical,
    losses_while_fitting,
    require,
    require_gradients,
    require_permutes,
    require_seeded,
    seeded,
    shapes,
)

BATCH, TIME, SIZE, ACTION = 4, 5, 6, 2


def check_dynamics(config: Any, embed_size: int = 7, action_size: int = ACTION) -> list[str]:
    """Build `config.build(embed_size, action_size)` and return what is wrong with it; empty if nothing is.

    Rollouts are checked with random weights, and that 50 steps on one batch cut a loss.
    """
    return complaints(lambda: _case(config, embed_size, action_size), PROMISES)


def check_latent(config: Any) -> list[str]:
    """Build `config.build()` and return what is wrong with the latent; empty if nothing is."""
    return complaints(lambda: _latent_case(config), LATENT_PROMISES)


def check_forward_model(config: Any) -> list[str]:
    """Build `config.build(size, action_size)` and return what is wrong with the forward model; empty if nothing is."""
    return complaints(lambda: config.build(SIZE, ACTION), FORWARD_PROMISES)


@dataclass(frozen=True)
class _Case:
    """A model with random weights, and sequences of B = 4 and T = 5."""

    dynamics: Any
    action: Tensor
    embed: Tensor
    noise: Tensor

    def observe(self, rows: Any = slice(None), is_first: Tensor | None = None) -> tuple[Any, Any]:
        action = self.action[rows]
        is_first = _never(*action.shape[:2]) if is_first is None else is_first
        start = self.dynamics.initial(len(action))
        return observe(self.dynamics, start, action, self.embed[rows], is_first, self.noise[rows])

    @property
    def seen(self) -> Any:
        """A belief that has seen something: from the initial one, an action need not lead anywhere."""
        return self.dynamics.correct(self.dynamics.initial(BATCH), self.embed[:, 0], None)


def _case(config: Any, embed_size: int, action_size: int) -> _Case:
    dynamics, generator = config.build(embed_size, action_size), seeded(1)
    with torch.no_grad():
        for parameter in dynamics.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    action = 2 * torch.rand(BATCH, TIME, action_size, generator=generator) - 1
    embed = torch.randn(BATCH, TIME, embed_size, generator=generator)
    return _Case(dynamics, action, embed, dynamics.noise(BATCH, TIME, generator=generator))


def _never(batch: int = BATCH, length: int = TIME) -> Tensor:
    return torch.zeros(batch, length, dtype=torch.bool)


def state_is_a_frozen_dataclass(case: _Case) -> None:
    state = case.dynamics.initial(BATCH)
    require(is_dataclass(state), "`initial` must return a dataclass of tensors.")
    try:
        setattr(state, fields(state)[0].name, None)
    except AttributeError:
        sizes = {shape[0] for shape in shapes(state)}
        require(sizes == {BATCH}, "Every tensor of `initial(batch)` must have the leading axis (batch,).")
    else:
        require(False, "The state's dataclass must be frozen.")


def shapes_are_kept(case: _Case) -> None:
    state, dynamics = case.dynamics.initial(BATCH), case.dynamics
    prior = dynamics.predict(state, case.action[:, 0], case.noise[:, 0])
    posterior = dynamics.correct(prior, case.embed[:, 0], case.noise[:, 0])
    for name, other in (("predict", prior), ("correct", posterior)):
        kept = type(other) is type(state) and shapes(other) == shapes(state)
        require(kept, f"`{name}` must return a state of the type and the shapes of `initial`.")
    size = (BATCH, dynamics.feature_size)
    require(dynamics.features(posterior).shape == size, "`features` must have the last axis `feature_size`.")
    require(dynamics.divergence(posterior, prior).shape == (BATCH,), "`divergence` must be one number for each state.")
    require(case.noise.shape == (BATCH, TIME, dynamics.noise_size), "`noise` must have the last axis `noise_size`.")


def any_leading_axes(case: _Case) -> None:
    dynamics = case.dynamics
    prior, posterior = case.observe()
    third, third_prior = (tree.map(lambda x: x[:, 3], states) for states in (posterior, prior))
    later = tree.map(lambda x: x[:, 3], dynamics.predict(posterior, case.action, case.noise))
    one = dynamics.predict(third, case.action[:, 3], case.noise[:, 3])
    divergence = dynamics.divergence(posterior, prior)[:, 3]
    same = close(later, one) and close(divergence, dynamics.divergence(third, third_prior))
    require(same, "States with leading axes (B, T) must give at each step what the step gives alone.")


def sequences_are_independent(case: _Case) -> None:
    sentence = "A sequence must give the same result in another batch and at another place in it."
    require_permutes(lambda rows: case.observe(rows)[1], (torch.arange(BATCH),), [2, 0, 3], sentence)


def is_first_starts_afresh(case: _Case) -> None:
    is_first = _never()
    is_first[1, 2] = True
    marked, unmarked = case.observe(is_first=is_first)[1], case.observe()[1]
    action = case.action[:, 2:].clone()
    action[:, 0] = 0
    start, none = case.dynamics.initial(BATCH), _never(length=TIME - 2)
    fresh = observe(case.dynamics, start, action, case.embed[:, 2:], none, case.noise[:, 2:])[1]
    same = close(tree.map(lambda x: x[1, 2:], marked), tree.map(lambda x: x[1], fresh))
    require(same, "`is_first` in mid-sequence must equal a fresh start: state and previous action are forgotten.")
    others = torch.tensor([0, 2, 3])
    same = close(tree.map(lambda x: x[others], marked), tree.map(lambda x: x[others], unmarked))
    require(same, "`is_first` of one sequence must not change the others.")


def imagine_is_repeated_predict(case: _Case) -> None:
    state = case.seen
    states = imagine(case.dynamics, state, case.action, case.noise)
    for t in range(TIME):
        state = case.dynamics.predict(state, case.action[:, t], case.noise[:, t])
        same = identical(tree.map(lambda x, t=t: x[:, t], states), state)
        require(same, "`imagine` must equal repeated `predict`: a step may depend on its arguments alone.")


def same_noise_same_bits(case: _Case) -> None:
    first = case.observe()
    imagine(case.dynamics, case.seen, case.action, case.noise)
    same = identical(first, case.observe())
    require(same, "The same noise must give the same bits: nothing may be drawn or remembered inside of the model.")
    again = case.dynamics.correct(case.dynamics.initial(BATCH), case.embed[:, 0], None)
    require(identical(again, case.seen), "Without noise the step must be the same every time.")


def noise_comes_from_the_generator(case: _Case) -> None:
    require_seeded(lambda generator: case.dynamics.noise(2, 3, generator=generator))


def divergence_is_a_distance(case: _Case) -> None:
    prior, posterior = case.observe()
    itself = case.dynamics.divergence(posterior, posterior)
    require(close(itself, torch.zeros_like(itself)), "The divergence of a state from itself must be 0.")
    divergence = case.dynamics.divergence(posterior, prior)
    require((divergence >= 0).all(), "The divergence must never be negative.")
    require(divergence.any(), "The divergence of posteriors from priors is 0 everywhere: it measures nothing.")


def first_action_reaches_the_last_feature(case: _Case) -> None:
    action = case.action.clone().requires_grad_()
    states = imagine(case.dynamics, case.seen, action, case.noise)
    last = case.dynamics.features(states)[:, -1].sum()
    gradient = torch.autograd.grad(last, action, allow_unused=True)[0] if last.requires_grad else None
    reached = gradient is not None and (gradient[:, 0] != 0).all()
    require(reached, "The gradient of the last feature with respect to the first action must not be 0.")


def fifty_steps_cut_the_loss(case: _Case) -> None:
    """Features of the posterior learn a target, and the prior learns to predict the posterior."""
    dynamics = case.dynamics
    head = torch.nn.Linear(dynamics.feature_size, 1)
    target = case.embed.sum(-1) / case.embed.shape[-1] ** 0.5

    def loss() -> Tensor:
        prior, posterior = case.observe()
        error = (head(dynamics.features(posterior))[..., 0] - target).square().mean()
        return error + dynamics.divergence(posterior, prior).mean()

    losses = losses_while_fitting(loss, [*dynamics.parameters(), *head.parameters()], 3e-3)
    require_gradients(dynamics)
    require(losses[-1] < 0.7 * losses[0], "50 steps of Adam on one batch must cut the loss by a third.")


@dataclass(frozen=True)
class _Latent:
    latent: Any
    output: Tensor
    noise: Tensor

    @property
    def stats(self) -> Any:
        return self.latent.stats(self.output)


def _latent_case(config: Any) -> _Latent:
    latent = config.build()
    output = torch.randn(BATCH, TIME, latent.output_size, generator=seeded(1))
    return _Latent(latent, output, latent.noise(BATCH, TIME, generator=seeded(2)))


def latent_shapes(case: _Latent) -> None:
    latent, size = case.latent, (BATCH, TIME, case.latent.sample_size)
    sampled = [latent.sample(case.stats, noise).shape == size for noise in (case.noise, None)]
    require(all(sampled), "`sample` must have the last axis `sample_size`, with noise and without.")
    first = latent.sample(latent.initial(BATCH, case.output), None)
    require(first.shape == (BATCH, latent.sample_size), "`initial(batch, like)` must have the leading axis (batch,).")
    require(case.noise.shape == (BATCH, TIME, latent.noise_size), "`noise` must have the last axis `noise_size`.")
    require(latent.sample_std(first).dim() == 1, "`sample_std` must be a vector.")


def latent_is_a_function(case: _Latent) -> None:
    samples = [case.latent.sample(case.stats, case.noise) for _ in range(2)]
    require(identical(*samples), "The same noise must give the same sample, bit for bit.")
    require_seeded(lambda generator: case.latent.noise(2, 3, generator=generator))


def latent_batch_permutes(case: _Latent) -> None:
    def sample(output: Tensor, noise: Tensor) -> Tensor:
        return case.latent.sample(case.latent.stats(output), noise)

    require_permutes(sample, (case.output, case.noise), [2, 0, 3, 1], "Permuting the batch must permute the samples.")


def latent_divergence(case: _Latent) -> None:
    other = case.latent.stats(case.output.flip(0))
    itself, divergence = case.latent.divergence(case.stats, case.stats), case.latent.divergence(case.stats, other)
    require(itself.shape == (BATCH, TIME), "`divergence` must be one number for each distribution.")
    require(close(itself, torch.zeros_like(itself)), "The divergence of a distribution from itself must be 0.")
    require((divergence >= 0).all() and divergence.any(), "The divergence of two distributions must be positive.")


def gradient_reaches_the_output(case: _Latent) -> None:
    output = case.output.clone().requires_grad_()
    sample = case.latent.sample(case.latent.stats(output), case.noise)
    weight = torch.randn(sample.shape, generator=seeded(3))
    reached = sample.requires_grad and torch.autograd.grad((sample * weight).sum(), output)[0].any()
    require(reached, "The gradient of a sample must reach the network's output.")


def _encodings() -> tuple[Tensor, Tensor]:
    generator = seeded(1)
    return tuple(torch.randn(BATCH, TIME, size, generator=generator) for size in (SIZE, ACTION))  # type: ignore[return-value]


def forward_shapes(model: Any) -> None:
    value, action = _encodings()
    require(model(value, action).shape == value.shape, "The prediction must have the shape of the encoding.")
    same = close(model(value, action)[:, 1], model(value[:, 1], action[:, 1]))
    require(same, "Encodings with leading axes (B, T) must give at each step what the step gives alone.")


def forward_is_a_function(model: Any) -> None:
    value, action = _encodings()
    require(identical(model(value, action), model(value, action)), "The same encoding must give the same bits.")


def forward_batch_permutes(model: Any) -> None:
    require_permutes(model, _encodings(), [2, 0, 3, 1], "Permuting the batch must permute the predictions.")


def forward_uses_its_arguments(model: Any) -> None:
    value, action = (x.requires_grad_() for x in _encodings())
    weight = torch.randn(value.shape, generator=seeded(3))
    (model(value, action) * weight).sum().backward()
    for name, x in (("encoding", value), ("action", action)):
        require(x.grad is not None and x.grad.any(), f"The prediction must depend on the {name}.")
    require_gradients(model)


PROMISES = (
    state_is_a_frozen_dataclass, shapes_are_kept, any_leading_axes, sequences_are_independent, is_first_starts_afresh,
    imagine_is_repeated_predict, same_noise_same_bits, noise_comes_from_the_generator, divergence_is_a_distance,
    first_action_reaches_the_last_feature, fifty_steps_cut_the_loss,
)  # fmt: skip
LATENT_PROMISES = (
    latent_shapes, latent_is_a_function, latent_batch_permutes, latent_divergence, gradient_reaches_the_output,
)  # fmt: skip
FORWARD_PROMISES = (forward_shapes, forward_is_a_function, forward_batch_permutes, forward_uses_its_arguments)
