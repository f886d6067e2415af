import pytest
import torch

from reverie.evaluation.probes import linear_probes


def random_data(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features, one of which never varies, and noise."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 5, generator=generator)
    features[:, 4] = 3
    return features, torch.randn(count, generator=generator)


def test_known_shares_of_variance():
    """A linear function, one with as much noise as signal, pure noise, and an offset that only the test data have."""
    weight = torch.tensor([1.0, -2.0, 0.0, 0.5, 0.0])

    def targets(features, noise, offset):
        signal = features @ weight
        return torch.stack([signal + 7, signal + weight.norm() * noise, noise, features[:, 0] + offset], 1)

    (train, noise), (test, other) = random_data(4_000, 0), random_data(4_000, 1)
    found = linear_probes(train, targets(train, noise, 0), test, targets(test, other, 5)).tolist()
    assert found[0] == pytest.approx(1, abs=1e-4)
    assert found[1] == pytest.approx(0.5, abs=0.05)
    assert found[2] == pytest.approx(0, abs=0.02)
    assert found[3] < -10


def test_a_constant_test_target_has_no_share():
    (train, noise), (test, _) = random_data(100, 0), random_data(50, 1)
    assert linear_probes(train, noise[:, None], test, torch.ones(50, 1)).isnan().all()
