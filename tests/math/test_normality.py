import math

import pytest
import torch

from reverie.math.normality import epps_pulley


def exact(samples: torch.Tensor) -> float:
    """The integral over all t in closed form, a sum over pairs of samples (Epps & Pulley 1983)."""
    count = len(samples)
    pairs = sum(math.exp(-((x - y) ** 2) / 2) for x in samples.tolist() for y in samples.tolist()) / count**2
    singles = sum(math.exp(-(x**2) / 4) for x in samples.tolist()) / count
    return count * math.sqrt(2 * math.pi) * (pairs - math.sqrt(2) * singles + 1 / math.sqrt(3))


def columns() -> torch.Tensor:
    normal = torch.randn(40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.stack([normal, 2 * normal, normal + 1, normal.sign(), torch.zeros_like(normal)], dim=1)


def test_many_nodes_equal_the_closed_form():
    found = epps_pulley(columns(), points=200, reach=8.0)
    torch.testing.assert_close(found, torch.tensor([exact(x) for x in columns().T], dtype=torch.float64))


def test_the_published_nodes_approximate_the_closed_form():
    found, expected = epps_pulley(columns()), torch.tensor([exact(x) for x in columns().T], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0.1, atol=0.01)


def test_a_normal_sample_has_the_lowest_statistic():
    """Wider, shifted, two-valued and collapsed samples have higher ones. A collapsed sample's grows with N."""
    normal, *others = epps_pulley(columns()).tolist()
    assert normal < 0.5 * min(others)
    assert epps_pulley(torch.zeros(80, 1)).item() == pytest.approx(2 * epps_pulley(torch.zeros(40, 1)).item())


def test_normal_quantiles_minimize_the_statistic_in_scale_and_mean():
    quantiles = torch.special.ndtri((torch.arange(200) + 0.5) / 200)[:, None]
    assert epps_pulley(quantiles) < 1e-3
    scale, place = torch.tensor(3.0, requires_grad=True), torch.tensor(1.0, requires_grad=True)
    optimizer = torch.optim.Adam([scale, place], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        epps_pulley(scale * quantiles + place).sum().backward()
        optimizer.step()
    assert scale.item() == pytest.approx(1, abs=0.05)
    assert place.item() == pytest.approx(0, abs=0.05)


def test_the_gradient_vanishes_for_a_single_outlier():
    """The statistic constrains the scale of a cloud, but not its outliers."""
    quantiles = torch.special.ndtri((torch.arange(200) + 0.5) / 200)[:, None]
    gradients = []
    for far in (2.0, 10.0):
        samples = torch.cat([quantiles, torch.tensor([[far]])]).requires_grad_()
        epps_pulley(samples, points=200, reach=8.0).sum().backward()
        gradients.append(samples.grad[-1].item())
    assert gradients[0] > 0
    assert abs(gradients[1]) < 1e-3 * gradients[0]
