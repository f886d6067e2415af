"""Check dynamics, latents and forward models against the contracts of `reverie.dynamics`."""

from dataclasses import is_dataclass
from typing import Any

import torch
from torch import Tensor

from reverie import tree
from reverie.dynamics.latents import Latent
from reverie.dynamics.rollout import imagine, observe
from reverie.testing.contract import (
    close,
    identical,
    losses_while_fitting,
    require,
    require_gradients,
    require_permutes,
    require_seeded,
    seeded,
    shapes,
    violations,
)

BATCH, TIME, SIZE, ACTION = 4, 5, 6, 2


def check_dynamics(config: Any, embed_size: int = 7, action_size: int = ACTION) -> list[str]:
    """Check `config.build(embed_size, action_size)` with random weights; return a sentence for each violation."""
    return violations(DynamicsContract, config, embed_size, action_size)


def check_latent(config: Any) -> list[str]:
    """Check `config.build()`; return a sentence for each violation."""
    return violations(LatentContract, config)


def check_forward_model(config: Any) -> list[str]:
    """Check `config.build(size, action_size)`; return a sentence for each violation."""
    return violations(ForwardContract, config)


def _at(states: Any, index: Any) -> Any:
    """Index every tensor of a tree."""
    return tree.map(lambda x: x[index], states)


class DynamicsCase:
    """Dynamics with random weights, and sequences of B = 4 and T = 5."""

    def __init__(self, config: Any, embed_size: int, action_size: int) -> None:
        self.dynamics = config.build(embed_size, action_size)
        with torch.no_grad():
            for parameter in self.dynamics.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
        generator = seeded(1)
        self.action = 2 * torch.rand(BATCH, TIME, action_size, generator=generator) - 1
        self.embed = torch.randn(BATCH, TIME, embed_size, generator=generator)
        self.noise = self.dynamics.noise(BATCH, TIME, generator=generator)
        self.never = torch.zeros(BATCH, TIME, dtype=torch.bool)

    def observe(self, rows: Any = slice(None), is_first: Tensor | None = None) -> tuple[Any, Any]:
        """Filter the sequences `rows`; return priors and posteriors."""
        action, is_first = self.action[rows], self.never[rows] if is_first is None else is_first
        start = self.dynamics.initial(len(action))
        return observe(self.dynamics, start, action, self.embed[rows], is_first, self.noise[rows])

    def first_belief(self) -> Any:
        """Return the belief after one observation: without one, an action may have no effect."""
        return self.dynamics.correct(self.dynamics.initial(BATCH), self.embed[:, 0], None)


class DynamicsContract(DynamicsCase):
    """The rules of dynamics."""

    def state_is_a_frozen_dataclass(self) -> None:
        state = self.dynamics.initial(BATCH)
        require(is_dataclass(state), "`initial` must return a dataclass of tensors.")
        require(type(state).__dataclass_params__.frozen, "The state's dataclass must be frozen.")
        leading = {shape[0] for shape in shapes(state)}
        require(leading == {BATCH}, "Every tensor of `initial(batch)` must have the leading axis (batch,).")

    def shapes_are_kept(self) -> None:
        state, dynamics = self.dynamics.initial(BATCH), self.dynamics
        prior = dynamics.predict(state, self.action[:, 0], self.noise[:, 0])
        posterior = dynamics.correct(prior, self.embed[:, 0], self.noise[:, 0])
        for name, other in (("predict", prior), ("correct", posterior)):
            kept = type(other) is type(state) and shapes(other) == shapes(state)
            require(kept, f"`{name}` must return a state of the type and the shapes of `initial`.")
        features, divergence = dynamics.features(posterior), dynamics.divergence(posterior, prior)
        require(features.shape == (BATCH, dynamics.feature_size), "`features` must have the last axis `feature_size`.")
        require(divergence.shape == (BATCH,), "`divergence` must be one number for each state.")
        require(self.noise.shape == (BATCH, TIME, dynamics.noise_size), "`noise` must have the last axis `noise_size`.")

    def leading_axes_are_free(self) -> None:
        dynamics, (prior, posterior), column = self.dynamics, self.observe(), (slice(None), 3)
        later = _at(dynamics.predict(posterior, self.action, self.noise), column)
        one = dynamics.predict(_at(posterior, column), self.action[:, 3], self.noise[:, 3])
        divergence = dynamics.divergence(_at(posterior, column), _at(prior, column))
        same = close(later, one) and close(dynamics.divergence(posterior, prior)[column], divergence)
        require(same, "States with leading axes (B, T) must give at each step the result of that step alone.")

    def sequences_are_independent(self) -> None:
        sentence = "A sequence must give the same result in another batch and at another row."
        require_permutes(lambda rows: self.observe(rows)[1], (torch.arange(BATCH),), [2, 0, 3], sentence)

    def is_first_resets_the_belief(self) -> None:
        is_first = self.never.clone()
        is_first[1, 2] = True
        marked, unmarked = self.observe(is_first=is_first)[1], self.observe()[1]
        action, rest = self.action[:, 2:].clone(), slice(2, None)
        action[:, 0] = 0
        start, never = self.dynamics.initial(BATCH), self.never[:, rest]
        fresh = observe(self.dynamics, start, action, self.embed[:, rest], never, self.noise[:, rest])[1]
        same = close(_at(marked, (1, rest)), _at(fresh, 1))
        require(same, "`is_first` in mid-sequence must equal a fresh start: it resets state and previous action.")
        others = torch.tensor([0, 2, 3])
        same = close(_at(marked, others), _at(unmarked, others))
        require(same, "`is_first` of one sequence must not change the others.")

    def imagine_is_repeated_predict(self) -> None:
        state = self.first_belief()
        states = imagine(self.dynamics, state, self.action, self.noise)
        for t in range(TIME):
            state = self.dynamics.predict(state, self.action[:, t], self.noise[:, t])
            same = identical(_at(states, (slice(None), t)), state)
            require(same, "`imagine` must equal repeated `predict`: a step may depend on its arguments alone.")

    def step_is_a_function_of_its_noise(self) -> None:
        first, belief = self.observe(), self.first_belief()
        imagine(self.dynamics, belief, self.action, self.noise)
        same = identical(first, self.observe())
        require(same, "The same noise must give the same bits: a model may neither draw numbers nor keep a state.")
        require(identical(belief, self.first_belief()), "Without noise the step must be the same every time.")

    def noise_comes_from_the_generator(self) -> None:
        require_seeded(lambda generator: self.dynamics.noise(2, 3, generator=generator))

    def divergence_is_a_distance(self) -> None:
        prior, posterior = self.observe()
        itself = self.dynamics.divergence(posterior, posterior)
        require(close(itself, torch.zeros_like(itself)), "The divergence of a state from itself must be 0.")
        divergence = self.dynamics.divergence(posterior, prior)
        require((divergence >= 0).all(), "The divergence must never be negative.")
        require(divergence.any(), "The divergence of posteriors from priors must not be 0 everywhere.")

    def first_action_reaches_the_last_feature(self) -> None:
        action = self.action.requires_grad_()
        states = imagine(self.dynamics, self.first_belief(), action, self.noise)
        last = self.dynamics.features(states)[:, -1].sum()
        gradient = torch.autograd.grad(last, action, allow_unused=True)[0] if last.requires_grad else None
        reached = gradient is not None and (gradient[:, 0] != 0).all()
        require(reached, "The gradient of the last feature with respect to the first action must not be 0.")

    def training_reduces_the_loss(self) -> None:
        """Features of the posterior learn a target, and the prior learns to predict the posterior."""
        dynamics = self.dynamics
        head = torch.nn.Linear(dynamics.feature_size, 1)
        target = self.embed.sum(-1) / self.embed.shape[-1] ** 0.5

        def loss() -> Tensor:
            prior, posterior = self.observe()
            error = (head(dynamics.features(posterior))[..., 0] - target).square().mean()
            return error + dynamics.divergence(posterior, prior).mean()

        losses = losses_while_fitting(loss, [*dynamics.parameters(), *head.parameters()], 3e-3)
        require_gradients(dynamics)
        require(losses[-1] < 0.7 * losses[0], "50 steps of Adam on one batch must reduce the loss by a third.")


class LatentContract:
    """A latent, and a network's output for B = 4 and T = 5."""

    def __init__(self, config: Any) -> None:
        self._latent: Latent[Any] = config.build()
        self._output = torch.randn(BATCH, TIME, self._latent.output_size, generator=seeded(1))
        self._noise = self._latent.noise(BATCH, TIME, generator=seeded(2))

    def _sample(self, output: Tensor, noise: Tensor | None) -> Tensor:
        return self._latent.sample(self._latent.stats(output), noise)

    def sample_has_its_shape(self) -> None:
        latent, size = self._latent, (BATCH, TIME, self._latent.sample_size)
        right = all(self._sample(self._output, noise).shape == size for noise in (self._noise, None))
        require(right, "`sample` must have the last axis `sample_size`, with noise and without.")
        first = latent.sample(latent.initial(BATCH, self._output), None)
        right = first.shape == (BATCH, latent.sample_size)
        require(right, "`initial(batch, like)` must have the leading axis (batch,).")
        require(self._noise.shape == (BATCH, TIME, latent.noise_size), "`noise` must have the last axis `noise_size`.")
        require(latent.sample_std(first).dim() == 1, "`sample_std` must be a vector.")

    def sample_is_a_function_of_its_noise(self) -> None:
        samples = [self._sample(self._output, self._noise) for _ in range(2)]
        require(identical(*samples), "The same noise must give the same sample, bit for bit.")
        require_seeded(lambda generator: self._latent.noise(2, 3, generator=generator))

    def samples_permute_with_the_batch(self) -> None:
        sentence = "Permuting the batch must permute the samples."
        require_permutes(self._sample, (self._output, self._noise), [2, 0, 3, 1], sentence)

    def divergence_is_a_distance(self) -> None:
        stats, other = self._latent.stats(self._output), self._latent.stats(self._output.flip(0))
        itself, divergence = self._latent.divergence(stats, stats), self._latent.divergence(stats, other)
        require(itself.shape == (BATCH, TIME), "`divergence` must be one number for each distribution.")
        require(close(itself, torch.zeros_like(itself)), "The divergence of a distribution from itself must be 0.")
        require((divergence >= 0).all() and divergence.any(), "The divergence of two distributions must be positive.")

    def gradient_reaches_the_output(self) -> None:
        output = self._output.requires_grad_()
        sample = self._sample(output, self._noise)
        weight = torch.randn(sample.shape, generator=seeded(3))
        reached = sample.requires_grad and torch.autograd.grad((sample * weight).sum(), output)[0].any()
        require(reached, "The gradient of a sample must reach the network's output.")


class ForwardContract:
    """A forward model, and encodings and actions of B = 4 and T = 5."""

    def __init__(self, config: Any) -> None:
        self._model, generator = config.build(SIZE, ACTION), seeded(1)
        self._value = torch.randn(BATCH, TIME, SIZE, generator=generator)
        self._action = torch.randn(BATCH, TIME, ACTION, generator=generator)

    def prediction_has_the_shape_of_the_encoding(self) -> None:
        prediction = self._model(self._value, self._action)
        require(prediction.shape == self._value.shape, "The prediction must have the shape of the encoding.")
        same = close(prediction[:, 1], self._model(self._value[:, 1], self._action[:, 1]))
        require(same, "Encodings with leading axes (B, T) must give at each step the result of that step alone.")

    def prediction_is_deterministic(self) -> None:
        first, again = (self._model(self._value, self._action) for _ in range(2))
        require(identical(first, again), "The same encoding must give the same bits.")

    def predictions_permute_with_the_batch(self) -> None:
        sentence = "Permuting the batch must permute the predictions."
        require_permutes(self._model, (self._value, self._action), [2, 0, 3, 1], sentence)

    def prediction_depends_on_its_arguments(self) -> None:
        inputs = {"encoding": self._value.requires_grad_(), "action": self._action.requires_grad_()}
        prediction = self._model(*inputs.values())
        (prediction * torch.randn(prediction.shape, generator=seeded(3))).sum().backward()
        for name, x in inputs.items():
            require(x.grad is not None and x.grad.any(), f"The prediction must depend on the {name}.")
        require_gradients(self._model)
