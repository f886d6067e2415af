import pytest
import torch

from reverie.math.spectra import covariance, participation_ratio, rankme, scale_metrics, singular_values


def test_the_participation_ratio_of_a_cross_is_its_dimension():
    cross = torch.cat([torch.eye(5), -torch.eye(5)]) + 7  # shifted
    torch.testing.assert_close(participation_ratio(cross), torch.tensor(5.0))


def test_the_participation_ratio_of_a_line_is_1():
    line = torch.linspace(-1, 1, 11)[:, None] * torch.tensor([3.0, 4.0, -2.0]) + 1
    torch.testing.assert_close(participation_ratio(line), torch.tensor(1.0))


def test_the_participation_ratio_of_a_point_is_0():
    assert participation_ratio(torch.ones(4, 3)).item() == 0


def test_the_participation_ratio_follows_from_eigenvalues():
    cloud = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) @ torch.diag(torch.tensor([4.0, 2, 1, 0.1]))
    values = torch.linalg.eigvalsh(torch.cov(cloud.T))
    torch.testing.assert_close(participation_ratio(cloud), values.sum() ** 2 / values.square().sum())


def test_a_dead_dimension_is_counted():
    cloud = torch.tensor([[1.0, 10.0, 5.0, 2.0], [-1.0, -10.0, 5.0, -2.0]])
    found = scale_metrics(cloud)
    assert found["dead_dimensions"].item() == 0.25
    assert found["std_min"].item() == 0
    assert found["std"].item() == pytest.approx(2**0.5 * (1 + 10 + 2) / 4)


def test_covariance_equals_that_of_torch():
    cloud = torch.randn(9, 4, generator=torch.Generator().manual_seed(0)) + 3
    torch.testing.assert_close(covariance(cloud), torch.cov(cloud.T))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_rankme_by_hand(scale):
    """A cross has full rank, a line rank 1. Axes of lengths 3 and 1 have shares 3/4 and 1/4."""
    cross = scale * torch.cat([torch.eye(5), -torch.eye(5)])
    line = scale * torch.linspace(-1, 1, 11)[:, None] * torch.tensor([3.0, 4.0, -2.0])
    oblong = scale * torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    for centered in (False, True):
        assert rankme(cross, centered).item() == pytest.approx(5, rel=1e-4)
        assert rankme(line, centered).item() == pytest.approx(1, rel=1e-4)
        assert rankme(oblong, centered).item() == pytest.approx(4 / 3**0.75, rel=1e-4)


def test_rankme_depends_on_the_mean_unless_centered():
    cross = torch.cat([torch.eye(5), -torch.eye(5)]) + 1e3
    assert rankme(cross, centered=False) < 1.1
    assert rankme(cross, centered=True).item() == pytest.approx(5, rel=1e-3)
    point = torch.ones(6, 3)
    assert [rankme(point, centered).item() for centered in (False, True)] == pytest.approx([1, 1], rel=1e-4)


def test_rankme_does_not_depend_on_the_scale():
    cloud = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(rankme(1e-6 * cloud, centered=True), rankme(cloud, centered=True))


def test_singular_values_by_hand():
    cloud = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    torch.testing.assert_close(singular_values(cloud, centered=False), torch.tensor([3.0, 1.0]).double() / 2**0.5)
