import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical, Independent, Normal, kl_divergence

from reverie.math.divergences import categorical_kl, free_nats, gaussian_kl

mean, std = st.floats(-5, 5), st.floats(0.05, 5)


@given(st.lists(st.tuples(mean, std, mean, std), min_size=1, max_size=5))
def test_gaussian_kl_equals_that_of_torch(dimensions):
    mean_q, std_q, mean_p, std_p = torch.tensor(dimensions, dtype=torch.float64).T
    expected = kl_divergence(Independent(Normal(mean_q, std_q), 1), Independent(Normal(mean_p, std_p), 1))
    torch.testing.assert_close(gaussian_kl(mean_q, std_q, mean_p, std_p), expected)


logit = st.floats(-20, 20)


@given(st.lists(st.tuples(logit, logit), min_size=1, max_size=6))
def test_categorical_kl_equals_that_of_torch(classes):
    q, p = torch.tensor(classes, dtype=torch.float64).T
    found = categorical_kl(q.log_softmax(-1), p.log_softmax(-1))
    torch.testing.assert_close(found, kl_divergence(Categorical(logits=q), Categorical(logits=p)))


def test_free_nats_of_each_element():
    nats = torch.tensor([[1.0, 5.0], [2.0, 8.0]], requires_grad=True)
    found = free_nats(nats, 3.0, "element")
    assert found.tolist() == [[3.0, 5.0], [3.0, 8.0]]
    found.sum().backward()
    assert nats.grad.tolist() == [[0.0, 1.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("nats", "mean", "gradient"),
    [
        ([[1.0, 5.0], [2.0, 8.0]], 4.0, 0.25),  # mean 4 is above 3: every step has a gradient, small ones too
        ([[0.0, 5.0], [1.0, 2.0]], 3.0, 0.0),  # mean 2 is below 3: no step has a gradient, though one is above 3
    ],
)
def test_free_nats_of_the_mean(nats, mean, gradient):
    nats = torch.tensor(nats, requires_grad=True)
    found = free_nats(nats, 3.0, "mean")
    assert found.shape == nats.shape
    assert found.mean().item() == mean
    found.mean().backward()
    assert nats.grad.unique().tolist() == [gradient]
