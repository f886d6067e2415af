"""Correlations of latents and embeddings against NumPy, and what the gradients reach."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from reverie.math.spectra import cross_correlation
from reverie.signals.next_embedding import NextEmbeddingConfig
from reverie.signals.redundancy_reduction import RedundancyReductionConfig
from reverie.testing.batches import small_spec
from reverie.testing.signals import EMBED, SignalCase

SPEC = small_spec()


@pytest.fixture
def case() -> SignalCase:
    torch.manual_seed(0)
    return SignalCase(SPEC)


def build(config, case):
    return config.build_with_embed(SPEC, case.dynamics.feature_size, EMBED)


def terms(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Both terms by NumPy's correlations."""
    size = x.shape[1]
    matrix = np.corrcoef(x.T, y.T)[:size, size:]
    diagonal = np.diagonal(matrix)
    return ((1 - diagonal) ** 2).sum(), (matrix**2).sum() - (diagonal**2).sum()


def test_cross_correlation_is_pearsons():
    x, y = torch.randn(2, 50, 4, dtype=torch.float64)
    weight = (torch.rand(50, dtype=torch.float64) > 0.3).double()
    kept = weight.bool()
    expected = np.corrcoef(x[kept].T.numpy(), y[kept].T.numpy())[:4, 4:]
    np.testing.assert_allclose(cross_correlation(x, y, weight).numpy(), expected, atol=1e-6)
    assert not cross_correlation(torch.ones(50, 4), torch.randn(50, 4), torch.ones(50)).any()


def test_redundancy_reduction_is_barlow_twins_of_all_steps(case):
    signal, trace = build(RedundancyReductionConfig(invariance=2.0, redundancy=0.5), case), case.trace()
    projected = signal.projection(trace.features).flatten(0, 1).detach().numpy()
    invariance, redundancy = terms(projected, trace.embed.flatten(0, 1).numpy())
    loss = signal.loss(trace)
    torch.testing.assert_close(loss, torch.full_like(loss, 2 * invariance + 0.5 * redundancy), rtol=1e-4, atol=1e-4)
    assert {name: value.shape for name, value in signal.metrics(trace).items()} == {
        "invariance": (), "redundancy": ()
    }  # fmt: skip


def test_a_latent_that_holds_the_embedding_has_no_loss_on_the_diagonal(case):
    signal, trace = build(RedundancyReductionConfig(), case), case.trace()
    features = torch.cat([trace.embed, trace.features], -1)
    nn.init.eye_(signal.projection.weight)
    signal.projection.weight.data = torch.eye(EMBED, features.shape[-1])
    found = signal.metrics(replace(trace, features=features))
    assert found["invariance"].item() == pytest.approx(0, abs=1e-6)


def test_the_next_embedding_is_predicted_from_the_prior(case):
    """Steps that begin an episode or the sequence do not count: nothing predicts them."""
    signal, trace = build(NextEmbeddingConfig(), case), case.trace()
    counts = ~trace.batch.is_first
    counts[:, 0] = False
    assert counts.sum() == 14
    predicted = signal.predictor(trace.dynamics.features(trace.prior))
    invariance, redundancy = terms(predicted[counts].detach().numpy(), trace.embed[counts].numpy())
    found = signal.metrics(trace)
    assert found["invariance"].item() == pytest.approx(invariance, rel=1e-3)
    assert found["redundancy"].item() == pytest.approx(redundancy, rel=1e-3)


@pytest.mark.parametrize("config", [RedundancyReductionConfig(), NextEmbeddingConfig()])
def test_the_embedding_is_a_constant_target(config, case):
    """Its gradient comes from the posterior alone."""
    signal, trace = build(config, case), case.trace()
    embed = trace.embed.clone().requires_grad_()
    loss = signal.loss(replace(trace, embed=embed)).mean()
    assert torch.autograd.grad(loss, embed, allow_unused=True) == (None,)
