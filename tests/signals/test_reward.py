"""Heads of reward and continuation by hand."""

import math

import pytest
import torch
from mocks import added, random_batch, spec

from reverie.nn.mlp import MLPConfig
from reverie.signals.reward import ContinuationConfig


@pytest.mark.parametrize("discount", [1.0, 0.9])
def test_a_continuation_learns_its_discount_or_0_at_a_terminal_step(discount):
    """The cross-entropy number by number. Its least value is at the label, so the head predicts the discount."""
    batch = random_batch(spec())
    signal = ContinuationConfig(MLPConfig(0), discount=discount).build(spec(), 1)
    torch.nn.init.ones_(signal.head.net[-1].weight)
    logits = torch.linspace(-2, 2, 18).reshape(3, 6, 1)
    loss = signal.loss(added(logits, batch.action, batch=batch))
    for b in range(3):
        for t in range(6):
            p = 1 / (1 + math.exp(-logits[b, t].item()))
            target = 0.0 if batch.is_terminal[b, t] else discount
            expected = -target * math.log(p) - (1 - target) * math.log(1 - p)
            assert loss[b, t].item() == pytest.approx(expected, rel=1e-5)
            assert signal.predict_continuation(logits)[b, t].item() == pytest.approx(p, rel=1e-5)
    assert batch.is_terminal.any()
