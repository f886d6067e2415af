"""The optimizer uses every number of its config."""

import copy

import pytest
import torch
from torch import nn, tensor

from reverie.nn.optimizer import AdamConfig, Optimizer


def first_step(config: AdamConfig, gradient: list[float]) -> tuple[list[float], float]:
    """Return how far the first step moves parameters at 2.0, and the norm."""
    parameter = nn.Parameter(torch.full((len(gradient),), 2.0))
    found = Optimizer(config, [parameter]).step((parameter * tensor(gradient)).sum())
    return (parameter.detach() - 2.0).tolist(), found["grad_norm"].item()


def test_learning_rate_and_norm():
    moved, norm = first_step(AdamConfig(lr=0.1), [3.0, -4.0])
    assert moved == pytest.approx([-0.1, 0.1], rel=1e-4)  # the first step of Adam is the sign
    assert norm == 5


def test_epsilon():
    """Step 1: `lr g / (|g| + eps)`."""
    moved, _ = first_step(AdamConfig(lr=0.1, eps=9.0, clip=100.0), [1.0])
    assert moved == pytest.approx([-0.1 * 1 / (1 + 9)])


def test_clip():
    """(30, 40) has norm 50 and is scaled to (6, 8) at 10; an epsilon of 2 makes that visible. The norm stays 50."""
    moved, norm = first_step(AdamConfig(lr=0.1, eps=2.0, clip=10.0), [30.0, 40.0])
    assert moved == pytest.approx([-0.1 * 6 / 8, -0.1 * 8 / 10])
    assert norm == 50
    assert first_step(AdamConfig(lr=0.1, eps=2.0, clip=100.0), [30.0, 40.0])[0] == pytest.approx(
        [-0.1 * 30 / 32, -0.1 * 40 / 42]
    )


def test_weight_decay_is_decoupled():
    moved, _ = first_step(AdamConfig(lr=0.1, weight_decay=0.5), [0.0])
    assert moved == pytest.approx([-0.1 * 0.5 * 2.0])


def test_other_parameters_do_not_change():
    mine, others = nn.Parameter(tensor([1.0])), nn.Parameter(tensor([1.0]))
    unused = nn.Parameter(tensor([1.0]))
    Optimizer(AdamConfig(lr=0.1), [mine, unused]).step((mine * others).sum())
    assert mine.item() == pytest.approx(0.9)
    assert others.item() == 1
    assert others.grad is None
    assert unused.item() == 1


def test_a_gradient_with_another_memory_layout_steps_the_right_elements():
    """The fused step pairs elements by their place in memory, which differs for a channels-last kernel."""
    torch.manual_seed(0)
    kernel = torch.nn.Parameter(torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last))
    plain = torch.nn.Parameter(kernel.detach().clone(memory_format=torch.contiguous_format))
    target = torch.randn(4, 3, 5, 5)
    for parameter in (kernel, plain):
        optimizer = Optimizer(AdamConfig(lr=0.1), [parameter])
        for _ in range(3):
            loss = (parameter.contiguous() - target).square().sum()
            optimizer.step(loss)
    assert kernel.stride() != plain.stride()
    torch.testing.assert_close(kernel, plain, check_stride=False)


def test_the_rate_decays_linearly_to_a_twentieth_also_after_restoring():
    """Under a constant gradient every step of Adam has the size of the rate."""
    parameter = nn.Parameter(torch.zeros(1))
    config, moves = AdamConfig(lr=1.0, decay=4), []
    optimizer = Optimizer(config, [parameter])
    for i in range(6):
        if i == 2:
            saved = copy.deepcopy(optimizer.rule.state_dict())
            optimizer = Optimizer(config, [parameter])
            optimizer.rule.load_state_dict(saved)
        before = parameter.item()
        optimizer.step(-parameter.sum())
        moves.append(parameter.item() - before)
    assert moves == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.05, 0.05], rel=1e-4)
