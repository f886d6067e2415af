"""Returns against the definition: a weighted sum over all n-step returns."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reverie.math.returns import cumulative_weight, lambda_return, replay_lambda_return


def n_step_return(reward, value, discount, t, n):
    """`sum_k (prod d) r + (prod d) v` over n steps from t, in plain Python floats."""
    total, weight = 0.0, 1.0
    for k in range(t, t + n):
        total += weight * reward[k]
        weight *= discount[k]
    return total + weight * value[t + n - 1]


def slow_lambda_return(reward, value, discount, lambda_):
    """Sutton & Barto 2018, Eq. 12.3: `(1 - l) sum_n l^(n-1) G_{t:t+n} + l^(N-1) G_{t:t+N}`."""
    horizon, returns = len(reward), []
    for t in range(horizon):
        longest = horizon - t
        found = lambda_ ** (longest - 1) * n_step_return(reward, value, discount, t, longest)
        for n in range(1, longest):
            found += (1 - lambda_) * lambda_ ** (n - 1) * n_step_return(reward, value, discount, t, n)
        returns.append(found)
    return returns


numbers = st.floats(-10, 10, allow_nan=False)
steps = st.lists(st.tuples(numbers, numbers, st.floats(0, 1)), min_size=1, max_size=8)


@given(steps=steps, lambda_=st.floats(0, 1))
def test_lambda_return_is_the_weighted_sum_of_n_step_returns(steps, lambda_):
    reward, value, discount = (list(column) for column in zip(*steps))
    rows = [torch.tensor([column], dtype=torch.float64) for column in (reward, value, discount)]
    expected = slow_lambda_return(reward, value, discount, lambda_)
    torch.testing.assert_close(lambda_return(*rows, lambda_)[0].tolist(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("lambda_", "expected"), [(0.0, [1 + 5.0, 2 + 3.0, 4 + 7.0]), (1.0, [1 + 9.5, 19.0, 34.0])])
def test_lambda_0_looks_one_step_ahead_and_lambda_1_sums_all(lambda_, expected):
    reward = torch.tensor([[1.0, 2.0, 4.0]])
    value = torch.tensor([[10.0, 6.0, 14.0]])
    if lambda_ == 1.0:  # 4 + 0.5 * 60 = 34; 2 + 0.5 * 34 = 19; 1 + 0.5 * 19 = 10.5
        value = torch.tensor([[10.0, 6.0, 60.0]])
    assert lambda_return(reward, value, torch.full((1, 3), 0.5), lambda_).tolist() == [expected]


def test_no_return_crosses_an_end():
    reward, value = torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([[100.0, 100.0, 100.0]])
    discount = torch.tensor([[0.5, 0.0, 0.5]])
    assert lambda_return(reward, value, discount, 1.0).tolist() == [[2.0, 2.0, 54.0]]


def test_cumulative_weight_by_hand():
    weight = cumulative_weight(torch.tensor([1.0, 0.5]), torch.tensor([[0.9, 0.5, 0.2], [1.0, 0.0, 1.0]]))
    torch.testing.assert_close(weight, torch.tensor([[1.0, 0.9, 0.45], [0.5, 0.5, 0.0]]))


def slow_replay_return(reward, bootstrap, is_last, is_terminal, gamma, lambda_, t):
    """The recursion as it is written, from step t, in plain Python floats."""
    if t == len(reward) - 1:
        return bootstrap[t]
    live, mix = gamma * (1 - is_terminal[t + 1]), lambda_ * (1 - is_last[t + 1])
    after = slow_replay_return(reward, bootstrap, is_last, is_terminal, gamma, lambda_, t + 1)
    return reward[t + 1] + live * ((1 - mix) * bootstrap[t + 1] + mix * after)


@given(steps=st.lists(st.tuples(numbers, numbers, st.booleans(), st.booleans()), min_size=2, max_size=8))
def test_replay_lambda_return_is_the_slow_recursion(steps):
    """Every step may be the last one, terminal or by a time limit."""
    reward, bootstrap, last, terminal = (list(column) for column in zip(*steps))
    terminal = [a and b for a, b in zip(last, terminal)]
    rows = [torch.tensor([column], dtype=torch.float64) for column in (reward, bootstrap)]
    flags = [torch.tensor([column]) for column in (last, terminal)]
    expected = [slow_replay_return(reward, bootstrap, last, terminal, 0.9, 0.8, t) for t in range(len(reward) - 1)]
    found = replay_lambda_return(*rows, *flags, 0.9, 0.8)
    torch.testing.assert_close(found[0].tolist(), expected, rtol=1e-9, atol=1e-9)


def test_a_time_limit_bootstraps_and_a_terminal_step_does_not():
    reward, bootstrap = torch.tensor([[0.0, 1.0, 2.0]]), torch.tensor([[10.0, 20.0, 30.0]])
    never, at_1 = torch.zeros(1, 3, dtype=torch.bool), torch.tensor([[False, True, False]])
    limit = replay_lambda_return(reward, bootstrap, at_1, never, 0.5, 1.0)
    ended = replay_lambda_return(reward, bootstrap, at_1, at_1, 0.5, 1.0)
    going_on = replay_lambda_return(reward, bootstrap, never, never, 0.5, 1.0)
    assert [x[0, 0].item() for x in (limit, ended, going_on)] == [1 + 10.0, 1.0, 1 + 0.5 * 17]
