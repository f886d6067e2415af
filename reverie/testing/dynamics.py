"""Does a latent model keep the contract of `reverie.dynamics.base.Dynamics`?"""

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
    losses_of_fifty_steps,
    require,
    seeded,
    shapes,
    without_gradient,
)  # fmt: skip

BATCH, TIME = 4, 5


def check_dynamics(config: Any, embed_size: int = 7, action_size: int = 2) -> list[str]:
    """Build `config.build(embed_size, action_size)` and return what is wrong with it; empty if nothing is.

    Rollouts are checked with random weights, and that 50 steps on one batch cut a loss.
    """
    return complaints(lambda: _case(config, embed_size, action_size), PROMISES)


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
    order = torch.tensor([2, 0, 3])
    permuted, whole = case.observe(order)[1], case.observe()[1]
    same = close(permuted, tree.map(lambda x: x[order], whole))
    require(same, "A sequence must give the same result in another batch and at another place in it.")


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
    one, same, other = (case.dynamics.noise(2, 3, generator=seeded(seed)) for seed in (5, 5, 6))
    seeded_alone = torch.equal(one, same) and (one.numel() == 0 or not torch.equal(one, other))
    require(seeded_alone, "`noise` must come from the given generator alone.")


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

    losses = losses_of_fifty_steps(loss, [*dynamics.parameters(), *head.parameters()], 3e-3)
    require(losses[-1] < 0.7 * losses[0], "50 steps of Adam on one batch must cut the loss by a third.")
    if names := without_gradient(dynamics):
        require(False, f"No gradient reaches the parameters {', '.join(names)}.")


PROMISES = (
    state_is_a_frozen_dataclass,
    shapes_are_kept,
    any_leading_axes,
    sequences_are_independent,
    is_first_starts_afresh,
    imagine_is_repeated_predict,
    same_noise_same_bits,
    noise_comes_from_the_generator,
    divergence_is_a_distance,
    first_action_reaches_the_last_feature,
    fifty_steps_cut_the_loss,
)
