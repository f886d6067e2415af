"""Forward and inverse prediction by hand, and against torch's distributions."""

from dataclasses import replace

import pytest
import torch
from mocks import added, random_batch, spec
from torch.distributions import Normal, OneHotCategorical

from reverie import tree
from reverie.nn.mlp import MLPConfig
from reverie.signals.latent_prediction import InverseConfig, LatentPredictionConfig

FEATURES = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [4.0, 3.0]]])
ACTION = torch.tensor([[[0.0, 1.0], [1.0, 0.0], [9.0, 9.0]]])


def test_forward_prediction_by_hand():
    """The predictions are (1, 1) for (2, 0) and (3, 0) for (4, 3). Two of three columns have one."""
    loss = LatentPredictionConfig().build(spec(), 2).loss(added(FEATURES, ACTION))
    torch.testing.assert_close(loss, torch.tensor([[0.0, 2 * 1.5, 10 * 1.5]]))
    assert loss.mean() == 6


def test_forward_prediction_two_steps_ahead_by_hand():
    """Two steps ahead, (2, 1) is predicted for (4, 3), with a loss of 8; one step has the mean 6."""
    loss = LatentPredictionConfig(steps=2).build(spec(), 2).loss(added(FEATURES, ACTION))
    assert loss.mean() == (6 + 8) / 2


@pytest.mark.parametrize("stop_gradient", ["none", "target"])
def test_stop_gradient_stops_at_the_target(stop_gradient):
    """The first frame is only a start, the last only a target."""
    features = FEATURES.clone().requires_grad_()
    LatentPredictionConfig(stop_gradient=stop_gradient).build(spec(), 2).loss(added(features, ACTION)).sum().backward()
    assert features.grad[0, 0].any()
    assert features.grad[0, 2].any() == (stop_gradient == "none")


def test_a_constant_encoding_has_no_loss():
    """This is the collapse that another signal must prevent."""
    constant = torch.full((2, 5, 3), 7.0)
    assert not LatentPredictionConfig(steps=3).build(spec(), 3).loss(added(constant, torch.zeros(2, 5, 3))).any()


@pytest.mark.parametrize("discrete", [False, True])
def test_the_inverse_loss_is_the_likelihood_of_the_action(discrete):
    world = spec(action=3, discrete=discrete)
    batch = random_batch(world)
    torch.manual_seed(0)
    features = torch.randn(3, 6, 4)
    signal = InverseConfig(MLPConfig(1, 16)).build(world, 4)
    loss = signal.loss(added(features, torch.zeros(3, 6, 4), batch=batch))
    expected, pairs = torch.zeros(3, 6), 0
    for b in range(3):
        for t in range(5):
            if batch.is_first[b, t + 1]:
                continue
            prediction = signal.predict(features[b, t], features[b, t + 1])
            if discrete:
                nats = -OneHotCategorical(probs=prediction).log_prob(batch.action[b, t])
            else:
                nats = -Normal(prediction, 1.0).log_prob(batch.action[b, t]).sum()
            expected[b, t + 1], pairs = nats, pairs + 1
    assert pairs == 14
    torch.testing.assert_close(loss, expected * 18 / pairs)


def test_an_averaged_inverse_loss_is_the_mean_square_whatever_the_number_of_actions():
    """Three times as many equal actions cost the same; a sum in nats would triple."""
    losses = []
    for action in (1, 3):
        world = spec(action=action)
        signal = InverseConfig(MLPConfig(0), average=True).build(world, 2)
        torch.nn.init.zeros_(signal.head.net[-1].weight)
        features = torch.zeros(1, 3, 2)
        losses.append(signal.loss(added(features, features, batch=world_batch(action))).mean().item())
    assert losses == pytest.approx([(0.5**2 + 0.1**2) / 2] * 2)


def world_batch(action: int):
    """Return one sequence whose actions are 0.5, then 0.1, in every dimension."""
    batch = random_batch(spec(action=action))
    chosen = torch.tensor([0.5, 0.1, 9.0])[None, :, None].expand(1, 3, action)
    return replace(tree.map(lambda x: x[:1, :3], batch), action=chosen, is_first=torch.tensor([[True, False, False]]))
