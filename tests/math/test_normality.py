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


def test_against_the_closed_form():
    found = epps_pulley(columns(), points=200, reach=8.0)
    torch.testing.assert_close(found, torch.tensor([exact(x) for x in columns().T], dtype=torch.float64))


def test_the_published_nodes_are_near():
    found, expected = epps_pulley(columns()), torch.tensor([exact(x) for x in columns().T], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0.1, atol=0.01)


def test_a_normal_sample_scores_least():
    """Wider, moved, two-valued and collapsed ones all score more; a collapsed one grows with its size."""
    normal, *others = epps_pulley(columns()).tolist()
    assert normal < 0.5 * min(others)
    assert epps_pulley(torch.zeros(80, 1)).item() == pytest.approx(2 * epps_pulley(torch.zeros(40, 1)).item())


def test_quantiles_of_the_normal_score_nothing_and_a_cloud_is_drawn_to_them():
    """In scale and place; not frame by frame, see below."""
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


def test_one_far_sample_is_not_drawn_back():
    """The pull on a sample fades within a few units of 0: the scale of a cloud is held, its outliers are not."""
    quantiles = torch.special.ndtri((torch.arange(200) + 0.5) / 200)[:, None]
    pulls = []
    for far in (2.0, 10.0):
        samples = torch.cat([quantiles, torch.tensor([[far]])]).requires_grad_()
        epps_pulley(samples, points=200, reach=8.0).sum().backward()
        pulls.append(samples.grad[-1].item())
    assert pulls[0] > 0
    assert abs(pulls[1]) < 1e-3 * pulls[0]
