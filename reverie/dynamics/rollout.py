"""The only loops over time: `observe` (closed loop), `imagine` (open loop), `imagine_policy` (with a policy).

None contains `no_grad`: the caller decides what is differentiated. Noise is an argument, and None takes the mean. So a
rollout is a deterministic, differentiable function of its arguments.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reverie import tree
from reverie.dynamics.base import Dynamics

S = TypeVar("S")


def prev_action(action: Float[Tensor, "B T A"], before: Float[Tensor, "B A"] | None = None) -> Float[Tensor, "B T A"]:
    """Return the action that led to each step: `action` shifted one to the right, the library's only shift.

    Column 0 gets `before`, the action just before the sequence, or zeros if it is unknown.
    """
    first = torch.zeros_like(action[:, 0]) if before is None else before
    return torch.cat([first[:, None], action[:, :-1]], dim=1)


def observe(
    dynamics: Dynamics[S],
    start: S,
    action: Float[Tensor, "B T A"],
    embed: Float[Tensor, "B T E"],
    is_first: Bool[Tensor, "B T"],
    noise: Float[Tensor, "B T Z"] | None,
) -> tuple[S, S]:
    """Filter: return the priors and posteriors of all steps, each a state with leading axes (B, T).

    Each step predicts from the belief and `action` (the one that led there), then corrects by `embed`. Where
    `is_first`, the belief *and* the previous action are reset: the step equals a fresh start. `noise` samples the
    posterior. The prior takes its mean, because only its statistics are used.
    """
    state, fresh = start, dynamics.initial(action.shape[0])
    priors, posteriors = [], []
    for t in range(action.shape[1]):
        state = tree.where(is_first[:, t], fresh, state)
        previous = action[:, t] * ~is_first[:, t, None]
        prior = dynamics.predict(state, previous, None)
        state = dynamics.correct(prior, embed[:, t], None if noise is None else noise[:, t])
        priors.append(prior)
        posteriors.append(state)
    return tree.stack(priors, dim=1), tree.stack(posteriors, dim=1)


def imagine(dynamics: Dynamics[S], start: S, action: Float[Tensor, "B H A"], noise: Float[Tensor, "B H Z"] | None) -> S:
    """Open loop: return the states after each of the H actions, leading axes (B, H), without `start`."""
    state, states = start, []
    for t in range(action.shape[1]):
        state = dynamics.predict(state, action[:, t], None if noise is None else noise[:, t])
        states.append(state)
    return tree.stack(states, dim=1)


def imagine_policy(
    dynamics: Dynamics[S],
    policy: Callable[[Tensor, Tensor | None], Tensor],
    start: S,
    horizon: int,
    noise: Float[Tensor, "B H Z"] | None,
    policy_noise: Float[Tensor, "B H A"] | None,
) -> tuple[Float[Tensor, "B _ F"], Float[Tensor, "B H A"]]:
    """Imagine with a policy: return the features of states 0..H, those of `start` first, and the H actions between.

    The policy reads detached features (Hafner 2020, Sec. 3): the gradient reaches an action through the states after
    it, not through the features that the policy reads.
    """
    state, features, actions = start, [dynamics.features(start)], []
    for t in range(horizon):
        action = policy(features[-1].detach(), None if policy_noise is None else policy_noise[:, t])
        state = dynamics.predict(state, action, None if noise is None else noise[:, t])
        features.append(dynamics.features(state))
        actions.append(action)
    return torch.stack(features, dim=1), torch.stack(actions, dim=1)
