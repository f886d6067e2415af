import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reverie.math.bounds import active_units, importance_weighted_bound


def test_one_sample_gives_the_variational_bound():
    weights = torch.tensor([[1.5, -2.0]])
    assert importance_weighted_bound(weights).tolist() == [1.5, -2.0]


def test_weights_are_averaged_and_not_their_logarithms():
    """Weights 1 and 3 give ln 2. The mean of the logarithms is ln 3 / 2."""
    found = importance_weighted_bound(torch.tensor([0.0, math.log(3)]))
    assert found.item() == pytest.approx(math.log(2))


@pytest.mark.slow
@given(st.lists(st.floats(-30, 30), min_size=2, max_size=20))
def test_more_samples_never_lower_the_expected_bound(values):
    """Burda 2016, Theorem 1, over all subsets of K - 1 of K weights."""
    weights = torch.tensor(values, dtype=torch.float64)
    count = len(values)
    fewer = torch.stack([importance_weighted_bound(weights[torch.arange(count) != left]) for left in range(count)])
    assert importance_weighted_bound(weights) >= fewer.mean() - 1e-9


def test_huge_weights_stay_finite():
    assert importance_weighted_bound(torch.tensor([1e4, 1e4])).item() == pytest.approx(1e4)


def test_units_that_vary_with_the_image_are_active():
    spread = torch.tensor([0.0, 0.05, 0.5, 2.0])
    mean = spread * torch.linspace(-1, 1, 50)[:, None] * math.sqrt(3)  # variance about spread ** 2
    assert active_units(mean).tolist() == [False, False, True, True]
