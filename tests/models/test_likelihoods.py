import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal

from reverie.models.likelihoods import BernoulliPixelsConfig, GaussianPixelsConfig

IMAGES = torch.rand(2, 3, 4, 4, 1, generator=torch.Generator().manual_seed(0))
OUTPUT = torch.randn(2, 3, 4, 4, 1, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("std", [0.1, 1.0, 2.5])
@pytest.mark.parametrize("learned", [False, True])
def test_gaussian_nats(std, learned):
    found = GaussianPixelsConfig(std, learned).build().log_prob(OUTPUT, IMAGES)
    torch.testing.assert_close(found, Normal(OUTPUT, std).log_prob(IMAGES).sum((2, 3, 4)), rtol=1e-5, atol=1e-3)


@pytest.mark.slow
def test_the_learned_std_converges_to_the_root_mean_square_error():
    likelihood = GaussianPixelsConfig(1.0, learned=True).build()
    optimizer = torch.optim.Adam(likelihood.parameters(), lr=0.05)
    for _ in range(500):
        optimizer.zero_grad()
        (-likelihood.log_prob(OUTPUT, IMAGES).mean()).backward()
        optimizer.step()
    best = (OUTPUT - IMAGES).square().mean().sqrt()
    assert likelihood.log_std.exp().item() == pytest.approx(best.item(), rel=1e-3)


def test_a_fixed_std_has_no_parameter_but_is_saved():
    likelihood = GaussianPixelsConfig(0.5).build()
    assert not list(likelihood.parameters())
    assert likelihood.state_dict()["log_std"].item() == pytest.approx(math.log(0.5))


def test_bernoulli_nats():
    likelihood, ink = BernoulliPixelsConfig().build(), (IMAGES > 0.5).float()
    torch.testing.assert_close(likelihood.log_prob(OUTPUT, ink), Bernoulli(logits=OUTPUT).log_prob(ink).sum((2, 3, 4)))
    torch.testing.assert_close(likelihood.mean(OUTPUT), OUTPUT.sigmoid())


def test_a_raw_output_of_zero_gives_the_mean_image():
    """So the decoder does not have to learn the background."""
    mean, raw = torch.rand(4, 4, 1) * 0.9 + 0.05, torch.zeros(2, 3, 4, 4, 1)
    for config in (GaussianPixelsConfig(), BernoulliPixelsConfig()):
        likelihood = config.build()
        drawn = likelihood.mean(likelihood.from_network(raw, mean, torch.tensor(0.2)))
        torch.testing.assert_close(drawn, mean.expand_as(raw))
