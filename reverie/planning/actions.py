"""The actions that planners search among: A numbers in [-1, 1], or one of A choices as a one-hot vector.

A planner draws candidates from the mean and the std of a plan, and refits both to the better ones. It is the same
algorithm for both kinds of action, because the mean of one-hot vectors holds the probabilities of the choices.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.errors import UserError
from reverie.spaces import ActionSpace
from reverie.types import Plan

Action = Float[Tensor, "*b A"]


class BoxActions:
    """Numbers in [-1, 1], drawn from a diagonal Gaussian."""

    def __init__(self, size: int) -> None:
        self.center, self.exploration_size = 0.0, size

    def nearest(self, x: Action) -> Action:
        """Return the valid actions that are nearest to `x`."""
        return x.clamp(-1, 1)

    def sample(self, plan: Plan, noise: Float[Tensor, "B N H A"]) -> Float[Tensor, "B N H A"]:
        """Return the sequences `mean + std * noise`, clipped to [-1, 1]."""
        return self.nearest(plan.mean[:, None] + plan.std[:, None] * noise)

    def relax(self, action: Action) -> Action:
        """Return the points in [-1, 1] at which gradient ascent from these actions begins."""
        return action

    def explore(self, action: Action, noise: Float[Tensor, "*b X"], std: float) -> Action:
        """Return `action + std * noise`, clipped to [-1, 1]."""
        return self.nearest(action + std * noise)


class OneHotActions:
    """One of A choices, drawn from a categorical distribution; the same methods."""

    def __init__(self, size: int) -> None:
        self.center, self.exploration_size = 1 / size, size + 1

    def nearest(self, x: Action) -> Action:
        """Return the one-hot vectors of the largest entries, with the gradient of `softmax(x)`.

        A score sees valid actions alone, and its gradient reaches every choice (straight-through, Bengio 2013).
        """
        choice = torch.zeros_like(x).scatter(-1, x.argmax(-1, keepdim=True), 1.0)
        probability = x.softmax(-1)
        return choice + (probability - probability.detach())

    def sample(self, plan: Plan, noise: Float[Tensor, "B N H A"]) -> Float[Tensor, "B N H A"]:
        """Draw choices with probabilities in proportion to `max(mean, std^2)`: `argmax(ln p - ln(-ln Phi(noise)))`.

        The variance of a choice, p (1 - p), is at most p. So these are the probabilities of the plan, unless its std
        is raised: by a warm start, or by a lower bound. Then every choice weighs at least `std^2` and can return. The
        last term is Gumbel noise (Jang 2017, Eq. 1), made of normal noise. So noise that is correlated in time draws
        choices that are.
        """
        gumbel = -(-torch.special.log_ndtr(noise)).log()
        return self.nearest(torch.maximum(plan.mean, plan.std.square()).log()[:, None] + gumbel)

    def relax(self, action: Action) -> Action:
        """Return points in [-1, 1] where each choice leads by a half: a few steps of ascent can overtake it."""
        return action / 2

    def explore(self, action: Action, noise: Float[Tensor, "*b X"], probability: float) -> Action:
        """Epsilon-greedy: replace an action by a uniformly random choice with this probability."""
        return torch.where(torch.special.ndtr(noise[..., :1]) < probability, self.nearest(noise[..., 1:]), action)


Actions = BoxActions | OneHotActions


def actions_of(space: ActionSpace) -> Actions:
    """Return what planners need to know of these actions. UserError if there is nothing to choose."""
    if space.size == 0:
        raise UserError("There is nothing to plan, because the actions here hold no number: set --behavior none.")
    return OneHotActions(space.size) if space.discrete else BoxActions(space.size)
