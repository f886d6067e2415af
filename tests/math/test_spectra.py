import pytest
import torch

from reverie.math.spectra import participation_ratio, scale_metrics


def test_a_cross_is_isotropic():
    cross = torch.cat([torch.eye(5), -torch.eye(5)]) + 7  # moving the cloud changes nothing
    torch.testing.assert_close(participation_ratio(cross), torch.tensor(5.0))


def test_a_line_has_one_direction():
    line = torch.linspace(-1, 1, 11)[:, None] * torch.tensor([3.0, 4.0, -2.0]) + 1
    torch.testing.assert_close(participation_ratio(line), torch.tensor(1.0))


def test_a_point_has_none():
    assert participation_ratio(torch.ones(4, 3)).item() == 0


def test_against_eigenvalues():
    cloud = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) @ torch.diag(torch.tensor([4.0, 2, 1, 0.1]))
    values = torch.linalg.eigvalsh(torch.cov(cloud.T))
    torch.testing.assert_close(participation_ratio(cloud), values.sum() ** 2 / values.square().sum())


def test_a_dead_dimension_is_counted():
    cloud = torch.tensor([[1.0, 10.0, 5.0, 2.0], [-1.0, -10.0, 5.0, -2.0]])
    found = scale_metrics(cloud)
    assert found["dead_dimensions"].item() == 0.25
    assert found["std_min"].item() == 0
    assert found["std"].item() == pytest.approx(2**0.5 * (1 + 10 + 2) / 4)
