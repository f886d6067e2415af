"""Regularization of the encodings, by hand and against slow loops."""

import pytest
import torch
from mocks import added, spec

from reverie.errors import UserError
from reverie.math.normality import epps_pulley
from reverie.signals.regularization import SIGRegConfig, SmoothnessConfig, VICRegConfig


def static_trace(features: torch.Tensor, is_first: torch.Tensor | None = None):
    return added(features, torch.zeros_like(features), is_first)


def random_features(batch: int, length: int, size: int) -> torch.Tensor:
    return torch.randn(batch, length, size, generator=torch.Generator().manual_seed(0))


def test_vicreg_by_hand():
    """Frames (2, 1), (-2, -1), (0, 0): variances 4 and 1, covariance 2. The hinge at 3 gives 1 and 2."""
    trace = static_trace(torch.tensor([[[2.0, 1.0], [-2.0, -1.0], [0.0, 0.0]]]))
    signal = VICRegConfig(variance=10.0, covariance=1.0, gamma=3.0, eps=0.0).build(spec(), 2)
    assert {name: value.item() for name, value in signal.metrics(trace).items()} == {"variance": 1.5, "covariance": 4}
    assert signal.loss(trace).tolist() == [[19, 19, 19]]


def test_vicreg_against_a_slow_loop():
    features = random_features(4, 5, 3) @ torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.3, 0.1], [0.0, 0.0, 2.0]])
    flat, size = features.flatten(0, 1), 3
    mean, count = flat.mean(0), len(flat)
    variance = covariance = 0.0
    for i in range(size):
        variance += max(0.0, 1 - (flat[:, i].var().item() + 1e-4) ** 0.5) / size
        for j in range(size):
            if i != j:
                entry = sum((x[i] - mean[i]) * (x[j] - mean[j]) for x in flat).item() / (count - 1)
                covariance += entry**2 / size
    loss = VICRegConfig().build(spec(), 3).loss(static_trace(features))
    torch.testing.assert_close(loss, torch.full((4, 5), 25 * variance + covariance))


def test_the_gradient_of_vicreg_is_finite_at_a_collapse_and_not_zero_near_it():
    for spread in (1e-3, 0.0):
        features = (spread * random_features(4, 5, 3)).requires_grad_()
        VICRegConfig().build(spec(), 3).loss(static_trace(features)).mean().backward()
        assert features.grad.isfinite().all()
        assert features.grad.any() == (spread > 0)


def test_sigreg_is_the_mean_statistic_of_projections_on_unit_vectors():
    torch.manual_seed(0)
    signal, features = SIGRegConfig(slices=4).build(spec(), 3), random_features(6, 5, 3)
    torch.testing.assert_close(signal.directions.square().sum(0), torch.ones(4))
    projection = torch.stack([features.flatten(0, 1) @ u for u in signal.directions.T], dim=1)
    torch.testing.assert_close(signal.loss(static_trace(features)), epps_pulley(projection).mean().expand(6, 5))


def test_sigreg_is_least_for_a_standard_normal():
    torch.manual_seed(0)
    signal, features = SIGRegConfig().build(spec(), 3), random_features(64, 8, 3)
    others = [2 * features, 0.3 * features, features + 1, features * torch.tensor([1.0, 1.0, 0.0]), 0 * features]
    normal = signal.loss(static_trace(features)).mean()
    assert all(signal.loss(static_trace(other)).mean() > 5 * normal for other in others)


def test_sigreg_saves_its_directions():
    torch.manual_seed(0)
    one, two = (SIGRegConfig(slices=8).build(spec(), 3) for _ in range(2))
    trace = static_trace(random_features(4, 5, 3))
    before = one.loss(trace)
    assert torch.equal(one.loss(trace), before)
    assert not torch.equal(two.loss(trace), before)
    two.load_state_dict(one.state_dict())
    assert torch.equal(two.loss(trace), before)


@pytest.mark.parametrize("wrong", [{"slices": 0}, {"points": 1}, {"reach": 0.0}])
def test_impossible_settings_of_sigreg_are_errors(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        SIGRegConfig(**wrong)


def test_smoothness_by_hand():
    """The distances are 5 and 1 within episodes; the one of 100 crosses a border."""
    features = torch.tensor([[[0.0, 0.0], [3.0, 4.0], [103.0, 4.0], [103.0, 5.0]]])
    is_first = torch.tensor([[True, False, True, False]])
    loss = SmoothnessConfig().build(spec(), 2).loss(static_trace(features, is_first))
    assert loss.tolist() == [[0, 50, 0, 2]]
    assert loss.mean() == (25 + 1) / 2
