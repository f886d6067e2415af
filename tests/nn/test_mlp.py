"""Dense networks: normalization, initial weights, and heads of one number."""

import pytest
import torch
from torch import nn

from reverie.nn.block import BlockLinear
from reverie.nn.mlp import MLP, MLPConfig, initialize
from reverie.nn.scalar import ScalarConfig


def test_rms_normalization_divides_by_the_root_mean_square():
    net = MLP(MLPConfig(1, 6, "silu", norm="rms"), 4, 2)
    x = 3 * torch.randn(5, 4)
    hidden = net.net[0](x)
    scaled = hidden / (hidden.square().mean(-1, keepdim=True) + 1e-4).sqrt()
    torch.testing.assert_close(net(x), net.net[3](torch.nn.functional.silu(scaled)))


@pytest.mark.parametrize("init", ["normal", "truncated_normal"])
@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (nn.Linear(50, 400), 50),
        (nn.Conv2d(8, 100, 5), 8 * 25),
        (nn.ConvTranspose2d(8, 100, 5), 8 * 25),
        (BlockLinear(80, 800, 8), 80),
        (BlockLinear(20, 800, 1), 20),
    ],
)
def test_initial_weights_have_variance_1_over_the_inputs(init, layer, inputs):
    torch.manual_seed(0)
    initialize(layer, init)
    assert layer.weight.std().item() == pytest.approx(inputs**-0.5, rel=0.05)
    assert layer.weight.mean().abs().item() < 0.1 * inputs**-0.5
    beyond = layer.weight.abs().max().item() * inputs**0.5
    assert beyond < 2.28 if init == "truncated_normal" else beyond > 2.5
    assert not layer.bias.any()


def test_the_blocks_of_glorot_weights_are_glorot_weights():
    layer = BlockLinear(80, 800, 8)
    initialize(layer)
    assert layer.weight.abs().max().item() == pytest.approx((6 / (10 + 100)) ** 0.5, rel=0.05)


def test_the_output_scale_shrinks_the_last_layer_alone():
    torch.manual_seed(0)
    plain = MLP(MLPConfig(1, 8), 4, 2)
    torch.manual_seed(0)
    small = MLP(MLPConfig(1, 8, output_scale=0.01), 4, 2)
    assert torch.equal(plain.net[0].weight, small.net[0].weight)
    torch.testing.assert_close(small.net[2].weight, 0.01 * plain.net[2].weight)


@pytest.mark.parametrize("config", ScalarConfig.choices().values(), ids=lambda config: config.__name__)
def test_a_number_is_learned(config):
    """Called, a network of one number gives the mean of its distribution, with any leading axes."""
    torch.manual_seed(0)
    net, features = config().scalar(3), torch.randn(4, 5, 3)
    target = 10 * features.sum(-1)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        distribution = net.distribution(features)
        loss = distribution.nats(target)
        assert loss.shape == distribution.mean.shape == (4, 5)
        loss.mean().backward()
        optimizer.step()
    assert torch.equal(net(features), net.distribution(features).mean[..., None])
    correlation = torch.corrcoef(torch.stack([net(features)[..., 0].flatten(), target.flatten()]))[0, 1]
    assert correlation > 0.9


def test_a_new_two_hot_number_is_exactly_zero():
    net = ScalarConfig.choices()["TwoHot"]().scalar(7)
    assert torch.equal(net(torch.randn(3, 7)), torch.zeros(3, 1))
