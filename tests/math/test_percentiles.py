"""The moving range against hand-made numbers."""

import numpy as np
import torch

from reverie.math.percentiles import Range


def test_a_range_moves_from_zero_without_a_correction_of_its_start():
    start = Range(torch.zeros(()), torch.zeros(()))
    values = torch.arange(101.0).reshape(1, 101)  # percentiles are the numbers themselves
    once = start.moved(values, 0.01, (5.0, 95.0))
    torch.testing.assert_close(torch.stack([once.low, once.high]), torch.tensor([0.05, 0.95]))
    twice = once.moved(values + 100, 0.5, (5.0, 95.0))
    torch.testing.assert_close(torch.stack([twice.low, twice.high]), torch.tensor([52.525, 97.975]))
    assert (start.low.item(), start.high.item()) == (0, 0)  # the value itself stays


def test_percentiles_are_those_of_numpy():
    values = torch.randn(5, 40, generator=torch.Generator().manual_seed(0))
    found = Range(torch.zeros(()), torch.zeros(())).moved(values, 1.0, (5.0, 95.0))
    expected = np.percentile(values.numpy(), [5, 95])
    np.testing.assert_allclose([found.low.item(), found.high.item()], expected, rtol=1e-5)


def test_a_small_range_is_not_amplified():
    narrow, wide = (Range(torch.tensor(-0.25), torch.tensor(high)) for high in (0.25, 3.75))
    assert (narrow.scale().item(), wide.scale().item(), narrow.scale(0.1).item()) == (1.0, 4.0, 0.5)
