"""The loops over time, by hand, in a world whose states are sums."""

import torch
from mocks import AddAction, Value
from torch import tensor

from reverie.dynamics.rollout import imagine, imagine_policy, observe, prev_action


def never(batch: int, length: int) -> torch.Tensor:
    return torch.zeros(batch, length, dtype=torch.bool)


def test_prev_action_shifts_by_one():
    action = tensor([[[1.0], [2.0], [3.0]]])
    assert prev_action(action).flatten().tolist() == [0.0, 1.0, 2.0]
    assert prev_action(action, before=tensor([[9.0]])).flatten().tolist() == [9.0, 1.0, 2.0]


def test_imagine_adds_actions():
    states = imagine(AddAction(1), AddAction.at(10.0), tensor([[[1.0], [2.0], [3.0]]]), noise=None)
    assert states.value.flatten().tolist() == [11.0, 13.0, 16.0]


def test_imagine_adds_each_steps_noise():
    action, noise = tensor([[[1.0], [2.0], [3.0]]]), tensor([[[0.5], [0.25], [0.125]]])
    states = imagine(AddAction(1), AddAction.at(10.0), action, noise)
    assert states.value.flatten().tolist() == [11.5, 13.75, 16.875]


def test_imagine_equals_repeated_predict():
    dynamics, state = AddAction(2), Value(torch.randn(3, 2))
    action, noise = torch.randn(3, 4, 2), torch.randn(3, 4, 2)
    states = imagine(dynamics, state, action, noise)
    for t in range(4):
        state = dynamics.predict(state, action[:, t], noise[:, t])
        assert torch.equal(states.value[:, t], state.value)


def test_observe_predicts_then_corrects():
    action, embed = tensor([[[1.0], [2.0], [3.0]]]), tensor([[[100.0], [200.0], [300.0]]])
    prior, posterior = observe(AddAction(1), AddAction.at(10.0), action, embed, never(1, 3), noise=None)
    assert prior.value.flatten().tolist() == [11.0, 113.0, 316.0]
    assert posterior.value.flatten().tolist() == [111.0, 313.0, 616.0]


def test_noise_samples_the_posterior_but_not_the_prior():
    action, embed, noise = torch.zeros(1, 2, 1), torch.zeros(1, 2, 1), tensor([[[0.5], [0.25]]])
    prior, posterior = observe(AddAction(1), AddAction.at(0.0), action, embed, never(1, 2), noise)
    assert prior.value.flatten().tolist() == [0.0, 0.5]
    assert posterior.value.flatten().tolist() == [0.5, 0.75]


def test_is_first_resets_the_belief_and_the_previous_action():
    action = tensor([[[1.0], [2.0], [3.0]], [[1.0], [2.0], [3.0]]])
    is_first = tensor([[False, True, False], [False, False, False]])
    start = AddAction.at(10.0, 10.0)
    _, posterior = observe(AddAction(1, start=-5.0), start, action, torch.zeros(2, 3, 1), is_first, noise=None)
    assert posterior.value[:, :, 0].tolist() == [[11.0, -5.0, -2.0], [11.0, 13.0, 16.0]]


def test_imagine_policy_returns_the_start_first():
    features, action = imagine_policy(AddAction(1), lambda f, _: 2 * f, AddAction.at(1.0), 3, None, None)
    assert features.flatten().tolist() == [1.0, 3.0, 9.0, 27.0]
    assert action.flatten().tolist() == [2.0, 6.0, 18.0]


def test_imagine_policy_uses_the_noise_of_each_step():
    noise, policy_noise = tensor([[[0.5], [0.25]]]), tensor([[[1.0], [3.0]]])
    features, action = imagine_policy(AddAction(1), lambda f, n: n, AddAction.at(0.0), 2, noise, policy_noise)
    assert action.flatten().tolist() == [1.0, 3.0]
    assert features.flatten().tolist() == [0.0, 1.5, 4.75]


def test_the_policy_reads_detached_features():
    """With action = w * state, s2 = s0 + w s0 + w sg(s1). So ds2/dw = s0 + s1 and ds2/ds0 = 1."""
    weight, start = tensor(3.0, requires_grad=True), Value(tensor([[1.0]], requires_grad=True))
    features, _ = imagine_policy(AddAction(1), lambda f, _: weight * f, start, 2, None, None)
    by_weight, by_start = torch.autograd.grad(features[0, 2, 0], [weight, start.value])
    assert by_weight.item() == 1 + 4  # without detaching, 3 * ds1/dw would be added
    assert by_start.item() == 1
