import pytest
import torch

from reverie.evaluation.probes import linear_probe


def drawn(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 5, generator=generator)
    features[:, 4] = 3  # never varies
    return features, torch.randn(count, generator=generator)


def test_what_is_there_is_found():
    """All of a linear function; half of the variance where the other half is noise; nothing of what is unrelated."""
    (train, noise), (test, other) = drawn(4_000, 0), drawn(4_000, 1)
    weight = torch.tensor([1.0, -2.0, 0.0, 0.5, 0.0])
    assert linear_probe(train, train @ weight + 7, test, test @ weight + 7) == pytest.approx(1, abs=1e-4)
    half = weight.norm()
    found = linear_probe(train, train @ weight + half * noise, test, test @ weight + half * other)
    assert found == pytest.approx(0.5, abs=0.05)
    assert linear_probe(train, noise, test, other) == pytest.approx(0, abs=0.02)


def test_an_offset_between_the_parts_counts_as_error():
    (train, _), (test, _) = drawn(1_000, 0), drawn(1_000, 1)
    assert linear_probe(train, train[:, 0], test, test[:, 0] + 5) < -10
