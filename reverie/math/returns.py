"""Returns along imagined and recorded trajectories."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Steps = Float[Tensor, "B H"]
Columns = Float[Tensor, "B T"]
Flags = Bool[Tensor, "B T"]


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


def replay_lambda_return(
    reward: Columns, bootstrap: Columns, is_last: Flags, is_terminal: Flags, gamma: float, lambda_: float
) -> Float[Tensor, "B T-1"]:
    """TD(lambda) targets of recorded steps t = 0..T-2, bootstrapped from estimates `b_t` of the return after step t.

    `G_t = r_{t+1} + g_{t+1} [(1 - l_{t+1}) b_{t+1} + l_{t+1} G_{t+1}]`, `G_{T-1} = b_{T-1}`, with
    `g = gamma (1 - is_terminal)` and `l = lambda (1 - is_last)`. So a time limit bootstraps from b alone, and nothing
    follows a terminal step. Published code of DreamerV3 (Hafner 2023).
    """
    discount, mix = gamma * (~is_terminal).to(reward.dtype), lambda_ * (~is_last).to(reward.dtype)
    following, returns = bootstrap[:, -1], []
    for t in reversed(range(1, reward.shape[1])):
        mixed = (1 - mix[:, t]) * bootstrap[:, t] + mix[:, t] * following
        following = reward[:, t] + discount[:, t] * mixed
        returns.append(following)
    return torch.stack(returns[::-1], dim=1)


def cumulative_weight(start: Float[Tensor, "B"], discount: Steps) -> Steps:
    """The weight of each imagined step: `w_0 = start`, `w_t = w_{t-1} d_t` for t = 1..H-1.

    So steps after a likely end of the episode hardly train the policy or the value.
    """
    return torch.cumprod(torch.cat([start[:, None], discount[:, :-1]], dim=1), dim=1)
