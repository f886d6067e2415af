"""The optimizer uses every number of its config."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn, tensor

from reverie.nn.laprop import LaPropConfig
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
            saved = copy.deepcopy(optimizer.rule.state())
            optimizer = Optimizer(config, [parameter])
            optimizer.rule.load_state(saved)
        before = parameter.item()
        optimizer.step(-parameter.sum())
        moves.append(parameter.item() - before)
    assert moves == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.05, 0.05], rel=1e-4)


def test_weight_decay_by_a_fraction_does_not_depend_on_the_rate():
    for lr in (0.1, 1e-3):
        moved, _ = first_step(AdamConfig(lr=lr, weight_decay=0.25, decay_by="fraction"), [0.0])
        assert moved == pytest.approx([-0.25 * 2.0])


def test_weight_decay_by_the_gradient_is_an_l2_penalty_after_clipping():
    """PyTorch's Adam adds `weight_decay * w` to a gradient that is clipped: (30, 40) to (6, 8), plus 0.5 * 2."""
    moved, norm = first_step(
        AdamConfig(lr=0.1, eps=2.0, clip=10.0, weight_decay=0.5, decay_by="gradient"), [30.0, 40.0]
    )
    assert moved == pytest.approx([-0.1 * 7 / 9, -0.1 * 9 / 11])
    assert norm == 50
    parameter, other = (nn.Parameter(torch.linspace(-1, 1, 5)) for _ in range(2))
    ours = Optimizer(AdamConfig(lr=0.1, eps=1e-8, weight_decay=0.3, decay_by="gradient"), [parameter])
    theirs = torch.optim.Adam([other], lr=0.1, weight_decay=0.3)
    for _ in range(4):
        ours.step((parameter - 2).square().sum())
        theirs.zero_grad()
        (other - 2).square().sum().backward()
        theirs.step()
    torch.testing.assert_close(parameter, other)


@pytest.mark.parametrize(
    "config",
    [AdamConfig(lr=0.1, weight_decay=0.1), AdamConfig(lr=0.1, epsilon_hat=True), LaPropConfig(lr=0.1, warmup=0)],
    ids=["AdamW", "TensorFlow", "LaProp"],
)
def test_scaled_steps_are_those_of_a_smaller_rate_and_at_one_keep_their_bits(config):
    def trained(config, scale):
        parameter = nn.Parameter(torch.linspace(-1, 1, 7))
        optimizer = Optimizer(config, [parameter])
        for _ in range(5):
            if scale is not None:
                optimizer.scale_steps(scale)
            optimizer.step((parameter.square() * torch.arange(7.0)).sum())
        return parameter.detach()

    assert torch.equal(trained(config, 1.0), trained(config, None))
    torch.testing.assert_close(trained(config, 0.25), trained(replace(config, lr=0.025), None))
    assert torch.equal(trained(config, 0.0), torch.linspace(-1, 1, 7))


def test_warmup_raises_the_rate_linearly_from_zero_also_after_restoring():
    parameter = nn.Parameter(torch.zeros(1))
    config, moves = AdamConfig(lr=1.0, warmup=4), []
    optimizer = Optimizer(config, [parameter])
    for i in range(6):
        if i == 2:
            saved = copy.deepcopy(optimizer.rule.state())
            optimizer = Optimizer(config, [parameter])
            optimizer.rule.load_state(saved)
        before = parameter.item()
        optimizer.step(-parameter.sum())
        moves.append(parameter.item() - before)
    assert moves == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0, 1.0], rel=1e-4)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_epsilon_hat_is_added_before_the_correction_of_the_bias(weight_decay):
    """Kingma 2015, end of Sec. 2, number by number; the state goes through a checkpoint on the way."""
    w, m, v, b1, b2, lr, eps = 2.0, 0.0, 0.0, 0.9, 0.999, 0.1, 0.01
    parameter = nn.Parameter(tensor([w, w]))
    config = AdamConfig(lr=lr, eps=eps, epsilon_hat=True, weight_decay=weight_decay)
    optimizer = Optimizer(config, [parameter])
    for t in range(1, 6):
        gradient = math.sin(t) / 10
        optimizer.step(parameter.sum() * gradient)
        m, v = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**2
        w -= lr * weight_decay * w
        w -= lr * math.sqrt(1 - b2**t) / (1 - b1**t) * m / (math.sqrt(v) + eps)
        assert parameter.tolist() == pytest.approx([w, w], rel=1e-5)
        saved = copy.deepcopy(optimizer.rule.state())
        optimizer = Optimizer(config, [parameter])
        optimizer.rule.load_state(saved)


def test_with_a_tiny_epsilon_both_places_of_it_give_the_same_steps():
    parameters = []
    for epsilon_hat in (False, True):
        torch.manual_seed(0)
        parameter = nn.Parameter(torch.randn(4, 3))
        optimizer = Optimizer(AdamConfig(lr=0.01, eps=1e-12, epsilon_hat=epsilon_hat, decay=10), [parameter])
        for _ in range(8):
            optimizer.step((parameter - 1).square().sum())
        parameters.append(parameter)
    torch.testing.assert_close(*parameters)


def test_a_restored_optimizer_has_the_moments_of_the_saved_one_and_its_own_settings():
    saved = Optimizer(AdamConfig(lr=1.0, eps=1e-3), [parameter := nn.Parameter(torch.zeros(2))])
    assert saved.rule.state() == []
    saved.step((parameter - 1).square().sum())
    restored = Optimizer(AdamConfig(lr=0.25, eps=1e-7, weight_decay=0.5), [other := nn.Parameter(torch.ones(2))])
    restored.rule.load_state(saved.rule.state())
    assert [(x["lr"], x["eps"], x["weight_decay"]) for x in restored.rule.adam.param_groups] == [(0.25, 1e-7, 0.5)]
    for name, x in restored.rule.adam.state[other].items():
        assert torch.equal(x, saved.rule.adam.state[parameter][name])
    restored.rule.load_state([])
    assert restored.rule.state() == []
