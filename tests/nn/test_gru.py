"""Recurrent cells against steps computed by hand."""

import math

import pytest
import torch

from reverie.nn.gru import LayerNormGRUCell, ResetFirstGRUCell


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_a_step_equals_the_equations_in_plain_python():
    torch.manual_seed(0)
    cell = LayerNormGRUCell(2, 3, keep=1.0)
    with torch.no_grad():
        cell.norm.weight.uniform_(0.5, 2)
        cell.norm.bias.uniform_(-1, 1)
    inputs, state = [0.3, -0.8], [0.5, -0.2, 0.9]
    found = cell(torch.tensor([inputs]), torch.tensor([state]))[0].tolist()

    both = inputs + state
    raw = [sum(w * x for w, x in zip(row, both)) for row in cell.linear.weight.tolist()]
    mean = sum(raw) / 9
    variance = sum((x - mean) ** 2 for x in raw) / 9
    scale, shift = cell.norm.weight.tolist(), cell.norm.bias.tolist()
    parts = [(x - mean) / math.sqrt(variance + 1e-3) * a + b for x, a, b in zip(raw, scale, shift)]
    for i in range(3):
        candidate = math.tanh(sigmoid(parts[i]) * parts[3 + i])
        gate = sigmoid(parts[6 + i] - 1)
        assert found[i] == pytest.approx(gate * candidate + (1 - gate) * state[i], abs=1e-6)


def test_a_new_cell_keeps_most_of_its_state():
    """With zero weights, a step replaces the fraction sigmoid(-1) of the state by 0."""
    cell = LayerNormGRUCell(2, 3, keep=1.0)
    torch.nn.init.zeros_(cell.linear.weight)
    state = torch.randn(4, 3)
    torch.testing.assert_close(cell(torch.zeros(4, 2), state), state * (1 - sigmoid(-1)))


def test_a_cell_that_resets_first_equals_the_equations_in_plain_python():
    torch.manual_seed(0)
    cell = ResetFirstGRUCell(2, 3)
    inputs, state = [0.3, -0.8], [0.5, -0.2, 0.9]
    found = cell(torch.tensor([inputs]), torch.tensor([state]))[0].tolist()

    def linear(layer, x):
        return [sum(w * a for w, a in zip(row, x)) + b for row, b in zip(layer.weight.tolist(), layer.bias.tolist())]

    gates = [sigmoid(x) for x in linear(cell.gates, inputs + state)]
    candidates = linear(cell.candidate, inputs + [r * h for r, h in zip(gates[:3], state)])
    for i in range(3):
        update = gates[3 + i]
        assert found[i] == pytest.approx(update * state[i] + (1 - update) * math.tanh(candidates[i]), abs=1e-6)
