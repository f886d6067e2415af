import math

import pytest
import torch

from reverie.math.similarities import distance, info_nce, retrieval_accuracy

X, Y = torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([[1.0, 2.0], [4.0, -2.0], [0.0, 0.0]])


def test_distance_by_hand():
    assert distance(X, Y).tolist() == [[0, -25, -5], [-10, -17, -1]]


def test_distance_far_from_the_origin():
    """The expanded square loses all digits for vectors a thousand times as long as their differences."""
    generator = torch.Generator().manual_seed(0)
    x, y = (1000 + torch.randn(40, 8, generator=generator) for _ in range(2))
    exact = distance(x.double(), y.double())
    torch.testing.assert_close(distance(x, y).double(), exact, rtol=1e-5, atol=1e-5)
    expanded = 2 * x @ y.T - x.square().sum(-1, keepdim=True) - y.square().sum(-1)
    assert (expanded.double() - exact).abs().max() > 0.1 * exact.abs().mean()


def test_distance_has_the_gradient_of_a_square_even_at_zero():
    x, y = X.clone().requires_grad_(), Y.clone().requires_grad_()
    distance(x, y).sum().backward()
    torch.testing.assert_close(x.grad, -2 * (X[:, None] - Y).sum(1))
    torch.testing.assert_close(y.grad, 2 * (X[:, None] - Y).sum(0))


def test_info_nce_against_a_slow_loop():
    generator = torch.Generator().manual_seed(0)
    similarity = 3 * torch.randn(5, 7, generator=generator, dtype=torch.float64)
    positive = torch.tensor([0, 6, 2, 2, 5])
    negatives = torch.rand(5, 7, generator=generator) < 0.5
    found = info_nce(similarity, positive, negatives)
    for i in range(5):
        right = math.exp(similarity[i, positive[i]])
        others = sum(math.exp(similarity[i, j]) for j in range(7) if negatives[i, j] and j != positive[i])
        assert found[i].item() == pytest.approx(-math.log(right / (right + others)))


def test_info_nce_without_negatives_and_with_huge_numbers():
    similarity = torch.tensor([[1e30, 0.0], [-1e30, 5.0]], requires_grad=True)
    loss = info_nce(similarity, torch.tensor([0, 1]), torch.tensor([[False, True], [False, False]]))
    loss.sum().backward()
    assert loss.tolist() == [0, 0]
    assert similarity.grad.isfinite().all()


def test_retrieval_accuracy_counts_ties_as_chance():
    similarity = torch.tensor([[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [5.0, 5.0, 5.0], [5.0, 5.0, 9.0]])
    negatives = torch.ones(4, 3, dtype=torch.bool)
    negatives[3, 2] = False
    found = retrieval_accuracy(similarity, torch.zeros(4, dtype=torch.long), negatives)
    torch.testing.assert_close(found, torch.tensor([1.0, 0.0, 1 / 3, 1 / 2]))
