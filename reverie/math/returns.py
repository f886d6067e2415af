"""Returns along imagined trajectories."""

import torch
from jaxtyping import Float
from torch import Tensor

Steps = Float[Tensor, "B H"]


def lambda_return(reward: Steps, value: Steps, discount: Steps, lambda_: float) -> Steps:
    """TD(lambda) targets `G_t = r_{t+1} + d_{t+1} [(1 - lambda) v_{t+1} + lambda G_{t+1}]`, `G_H = v_H`.

    Column t of each argument belongs to imagined step t + 1, the consequence of action t. `discount` is gamma times the
    continuation probability. For lambda 0 the targets look one step ahead. For lambda 1 they are the discounted sum
    with a bootstrap at the end. Sutton & Barto 2018, Eq. 12.2; Hafner 2020, Eq. 6.
    """
    following, returns = value[:, -1], []
    for t in reversed(range(reward.shape[1])):
        mixed = (1 - lambda_) * value[:, t] + lambda_ * following
        following = reward[:, t] + discount[:, t] * mixed
        returns.append(following)
    return torch.stack(returns[::-1], dim=1)


def cumulative_weight(start: Float[Tensor, "B"], discount: Steps) -> Steps:
    """The weight of each imagined step: `w_0 = start`, `w_t = w_{t-1} d_t` for t = 1..H-1.

    So steps after a likely end of the episode hardly train the policy or the value.
    """
    return torch.cumprod(torch.cat([start[:, None], discount[:, :-1]], dim=1), dim=1)
