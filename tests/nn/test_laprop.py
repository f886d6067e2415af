"""LaProp and its clipping against the formulas in plain Python."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn, tensor

from reverie.nn.laprop import LaPropConfig
from reverie.nn.optimizer import Optimizer
from reverie.testing.contract import NoHostReads

CONSTANT = LaPropConfig(lr=0.1, warmup=0)


def slow_steps(config: LaPropConfig, weights: list[float], gradients: list[list[float]]) -> list[list[float]]:
    """The weights after each step, one number at a time."""
    w, v, m, found = list(weights), [0.0] * len(weights), [0.0] * len(weights), []
    for t, gradient in enumerate(gradients, 1):
        limit = config.clip * max(config.least, math.sqrt(sum(x * x for x in w)))
        excess = max(1, math.sqrt(sum(x * x for x in gradient)) / limit)
        rate = config.lr * (min(1, (t - 1) / config.warmup) if config.warmup else 1)
        for i, g in enumerate(gradient):
            g = g / excess
            v[i] = config.decay * v[i] + (1 - config.decay) * g * g
            g = g / (math.sqrt(v[i] / (1 - config.decay**t)) + config.eps)
            m[i] = config.momentum * m[i] + (1 - config.momentum) * g
            w[i] -= rate * m[i] / (1 - config.momentum**t)
        found.append(list(w))
    return found


@pytest.mark.parametrize("config", [CONSTANT, replace(CONSTANT, warmup=4), replace(CONSTANT, eps=0.5, clip=1e9)])
def test_ten_steps_are_those_of_the_formula(config):
    start = [1.0, -2.0, 0.5]
    gradients = [[math.sin(3 * t + i) * 10 ** (i - 1) for i in range(3)] for t in range(10)]
    parameter = nn.Parameter(tensor(start, dtype=torch.float64))
    optimizer = Optimizer(config, [parameter])
    for gradient, expected in zip(gradients, slow_steps(config, start, gradients)):
        optimizer.step((parameter * tensor(gradient, dtype=torch.float64)).sum())
        assert parameter.tolist() == pytest.approx(expected, rel=1e-6)


def test_each_tensor_is_clipped_by_its_own_norm():
    """An epsilon of 1 makes the size of a gradient visible. The norm that is reported is that of all, unclipped."""
    config = replace(CONSTANT, eps=1.0, clip=0.5)
    zero, large = nn.Parameter(torch.zeros(1)), nn.Parameter(tensor([60.0, 80.0]))
    found = Optimizer(config, [zero, large]).step(3 * zero.sum() + 4 * large[0])
    floor = 0.5 * 1e-3  # of a tensor of zeros: `clip * least`
    assert zero.item() == pytest.approx(-0.1 * floor / (floor + 1))
    assert large.tolist() == pytest.approx([60 - 0.1 * 4 / 5, 80])
    assert found["grad_norm"].item() == 5


def test_the_rate_grows_from_zero_and_survives_restoring():
    """Under a constant gradient every step has the size of the rate."""
    parameter, moves = nn.Parameter(tensor([100.0])), []
    config = replace(CONSTANT, warmup=4)
    optimizer = Optimizer(config, [parameter])
    for i in range(6):
        if i == 2:
            saved = copy.deepcopy(optimizer.rule.state())
            optimizer = Optimizer(config, [parameter])
            optimizer.rule.load_state(saved)
        before = parameter.item()
        optimizer.step(-parameter.sum())
        moves.append(parameter.item() - before)
    assert moves == pytest.approx([0, 0.025, 0.05, 0.075, 0.1, 0.1], rel=1e-2)


def test_a_tiny_gradient_moves_a_weight_at_full_speed():
    parameter = nn.Parameter(tensor([1.0]))
    Optimizer(CONSTANT, [parameter]).step(1e-12 * parameter.sum())
    assert parameter.item() == pytest.approx(0.9)


def test_a_step_reads_no_value():
    parameters = [nn.Parameter(torch.randn(3, 2)), nn.Parameter(torch.zeros(4))]
    optimizer = Optimizer(LaPropConfig(), parameters)
    with NoHostReads():
        optimizer.step(sum(p.square().sum() for p in parameters))
