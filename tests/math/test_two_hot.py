"""Two-hot numbers against their definition: a round trip, exact zeros, and a dense cross-entropy."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reverie.math.two_hot import TwoHot, symexp, symexp_bins, symlog

BINS = symexp_bins(255, 20.0)


def dense_target(y: float) -> torch.Tensor:
    """The weights of all bins, in float64, by a slow search."""
    bins, weights = BINS.double().tolist(), torch.zeros(255, dtype=torch.float64)
    if y <= bins[0] or y >= bins[-1]:
        weights[0 if y <= bins[0] else -1] = 1
        return weights
    low = max(i for i in range(255) if bins[i] <= y)
    weights[low] = (bins[low + 1] - y) / (bins[low + 1] - bins[low])
    weights[low + 1] = 1 - weights[low]
    return weights


@given(st.floats(-1e8, 1e8))
def test_symexp_inverts_symlog(x):
    x = torch.tensor(x, dtype=torch.float64)
    torch.testing.assert_close(symexp(symlog(x)), x)


def test_bins_are_symmetric_and_reach_the_published_limit():
    assert torch.equal(BINS, -BINS.flip(0))
    assert BINS[127] == 0
    assert (BINS[1:] > BINS[:-1]).all()
    assert BINS[-1].item() == pytest.approx(4.85e8, rel=1e-3)
    torch.testing.assert_close(BINS, symexp(torch.linspace(-20, 20, 255)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("y", [0.0, 1e-3, -1e-3, 1.0, -1.0, 1e6, -1e6, 0.08, 1e12, -1e12])
def test_a_number_survives_encoding_and_decoding(y):
    """The logarithm of a two-hot target is the logits of a distribution with this mean."""
    mean = TwoHot((dense_target(y) + 1e-300).log(), BINS.double()).mean
    assert mean.item() == pytest.approx(max(min(y, BINS[-1].item()), BINS[0].item()), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("y", [0.0, 1e-3, -1e-3, 1.0, -1.0, 1e6, -1e6, 0.08, 1e12, -1e12])
def test_nats_are_the_cross_entropy_of_the_dense_target(y):
    torch.manual_seed(0)
    logits = torch.randn(3, 255, dtype=torch.float64)
    found = TwoHot(logits, BINS.double()).nats(torch.full((3,), y, dtype=torch.float64))
    expected = -(dense_target(y) * logits.log_softmax(-1)).sum(-1)
    torch.testing.assert_close(found, expected)


def test_training_finds_the_mean_of_the_targets():
    logits = torch.zeros(255, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([0.0, 10.0, 50.0], dtype=torch.float64)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(150):
        optimizer.zero_grad()
        TwoHot(logits.expand(3, 255), BINS.double()).nats(targets).mean().backward()
        optimizer.step()
    assert TwoHot(logits, BINS.double()).mean.item() == pytest.approx(20.0, rel=0.05)


def test_uniform_probabilities_mean_exactly_zero():
    """It is a sum of zeros, so a compiler that fuses operations cannot change it."""
    for size in (1, 7, 64):
        assert torch.equal(TwoHot(torch.zeros(size, 255), BINS).mean, torch.zeros(size))
