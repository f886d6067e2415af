"""Forward and inverse prediction: by hand, and against torch's distributions."""

import pytest
import torch
from mocks import added, random_batch, spec
from torch.distributions import Normal, OneHotCategorical

from reverie.nn.mlp import MLPConfig
from reverie.signals.latent_prediction import InverseConfig, LatentPredictionConfig

FEATURES = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [4.0, 3.0]]])
ACTION = torch.tensor([[[0.0, 1.0], [1.0, 0.0], [9.0, 9.0]]])


def test_forward_prediction_by_hand():
    """Predicted (1, 1) for (2, 0) and (3, 0) for (4, 3); two of three columns are predicted."""
    loss = LatentPredictionConfig().build(spec(), 2).loss(added(FEATURES, ACTION))
    torch.testing.assert_close(loss, torch.tensor([[0.0, 2 * 1.5, 10 * 1.5]]))
    assert loss.mean() == 6


def test_forward_prediction_two_steps_ahead_by_hand():
    """Besides, predicted (2, 1) for (4, 3): 8, in the mean with the two above."""
    loss = LatentPredictionConfig(steps=2).build(spec(), 2).loss(added(FEATURES, ACTION))
    assert loss.mean() == (6 + 8) / 2


@pytest.mark.parametrize("stop_gradient", ["none", "target"])
def test_where_the_gradient_of_a_forward_prediction_goes(stop_gradient):
    """The last frame is only ever a target, the first only a start."""
    features = FEATURES.clone().requires_grad_()
    LatentPredictionConfig(stop_gradient=stop_gradient).build(spec(), 2).loss(added(features, ACTION)).sum().backward()
    assert features.grad[0, 0].any()
    assert features.grad[0, 2].any() == (stop_gradient == "none")


def test_a_constant_encoding_that_nothing_moves_is_foreseen():
    """The collapse that this loss alone is solved by."""
    still = torch.full((2, 5, 3), 7.0)
    assert not LatentPredictionConfig(steps=3).build(spec(), 3).loss(added(still, torch.zeros(2, 5, 3))).any()


@pytest.mark.parametrize("discrete", [False, True])
def test_inverse_is_the_likelihood_of_the_action_between(discrete):
    world = spec(action=3, discrete=discrete)
    batch = random_batch(world)
    torch.manual_seed(0)
    features = torch.randn(3, 6, 4)
    signal = InverseConfig(MLPConfig(1, 16)).build(world, 4)
    found = signal.loss(added(features, torch.zeros(3, 6, 4), batch=batch))
    expected, pairs = torch.zeros(3, 6), 0
    for b in range(3):
        for t in range(5):
            if batch.is_first[b, t + 1]:
                continue
            guess = signal.predict(features[b, t], features[b, t + 1])
            if discrete:
                nats = -OneHotCategorical(probs=guess).log_prob(batch.action[b, t])
            else:
                nats = -Normal(guess, 1.0).log_prob(batch.action[b, t]).sum()
            expected[b, t + 1], pairs = nats, pairs + 1
    assert pairs == 14
    torch.testing.assert_close(found, expected * 18 / pairs)


def test_inverse_learns_which_action_was_taken():
    """Encodings that move by the action give it away."""
    torch.manual_seed(0)
    action = 2 * torch.rand(16, 5, 2) - 1
    features = torch.cat([torch.zeros(16, 1, 2), action[:, :-1]], 1).cumsum(1)
    signal = InverseConfig(MLPConfig(1, 32)).build(spec(), 2)
    optimizer = torch.optim.Adam(signal.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        signal.loss(added(features, action)).mean().backward()
        optimizer.step()
    error = signal.predict(features[:, :-1], features[:, 1:]) - action[:, :-1]
    assert error.square().mean() < 0.02 * action.square().mean()
