"""Categorical latents against torch.distributions, and balanced divergences against autograd."""

import math
from dataclasses import replace

import pytest
import torch
from mocks import random_batch, spec
from torch.distributions import Independent, OneHotCategorical, kl_divergence

from reverie import tree
from reverie.dynamics.latents import CategoricalConfig
from reverie.dynamics.rollout import observe
from reverie.dynamics.rssm import RSSMConfig
from reverie.errors import UserError
from reverie.math.spectra import scale_metrics
from reverie.signals.divergence import DivergenceConfig
from reverie.types import Trace

GROUPS, CLASSES = 3, 4
SPEC = spec()


@pytest.fixture
def latent():
    return CategoricalConfig(GROUPS, CLASSES).build()


def outputs(seed: int, *shape: int) -> torch.Tensor:
    return 3 * torch.randn(*shape, GROUPS * CLASSES, generator=torch.Generator().manual_seed(seed))


def independent(output: torch.Tensor) -> Independent:
    return Independent(OneHotCategorical(logits=output.unflatten(-1, (GROUPS, CLASSES))), 1)


def test_the_divergence_equals_torchs(latent):
    q, p = outputs(0, 5, 2), outputs(1, 5, 2)
    divergence = latent.divergence(latent.stats(q), latent.stats(p))
    torch.testing.assert_close(divergence, kl_divergence(independent(q), independent(p)))


def test_a_share_of_each_group_is_uniform():
    """No class is less likely than 0.01 / C, so the divergence of opposite certainties is finite."""
    latent = CategoricalConfig(GROUPS, CLASSES, unimix=0.01).build()
    certain, other = torch.zeros(1, GROUPS, CLASSES), torch.zeros(1, GROUPS, CLASSES)
    certain[..., 0] = other[..., 1] = 1000.0
    stats = [latent.stats(x.flatten(1)) for x in (certain, other)]
    lowest, highest = 0.01 / CLASSES, 0.99 + 0.01 / CLASSES
    probability = stats[0].log_probability.exp().unflatten(-1, (GROUPS, CLASSES))
    torch.testing.assert_close(probability[0, 0], torch.tensor([highest] + [lowest] * (CLASSES - 1)))
    expected = GROUPS * (highest - lowest) * math.log(highest / lowest)
    assert latent.divergence(*stats).item() == pytest.approx(expected, rel=1e-5)


def test_each_group_draws_one_class_with_its_probability(latent):
    output = outputs(0)
    noise = latent.noise(20_000, generator=torch.Generator().manual_seed(0))
    sample = latent.sample(latent.stats(output.expand(20_000, -1)), noise)
    grouped = sample.unflatten(-1, (GROUPS, CLASSES))
    torch.testing.assert_close(grouped.sum(-1), torch.ones(20_000, GROUPS))
    torch.testing.assert_close(sample.mean(0), independent(output).mean.flatten(), atol=0.015, rtol=0)


def test_without_noise_the_sample_is_the_mode_of_each_group(latent):
    output = outputs(0, 6)
    mode = latent.sample(latent.stats(output), None).unflatten(-1, (GROUPS, CLASSES)).argmax(-1)
    assert torch.equal(mode, output.unflatten(-1, (GROUPS, CLASSES)).argmax(-1))


def trace(dynamics) -> Trace:
    """Return random sequences, filtered by the dynamics."""
    generator = torch.Generator().manual_seed(0)
    batch = random_batch(SPEC, 3, 5)
    embed, noise = torch.randn(3, 5, 7, generator=generator), dynamics.noise(3, 5, generator=generator)
    prior, posterior = observe(dynamics, dynamics.initial(3), batch.action, embed, batch.is_first, noise)
    return Trace(batch, {}, embed, prior, posterior, dynamics.features(posterior), dynamics, noise)


@pytest.fixture(params=["categorical", "gaussian"])
def dynamics(request):
    torch.manual_seed(0)
    config = RSSMConfig(6, 5, cell="layer_norm", gate_bias=1.0)
    if request.param == "categorical":
        config = RSSMConfig(6, 5, CategoricalConfig(GROUPS, CLASSES), cell="layer_norm", gate_bias=1.0)
    return config.build(7, 2)


def test_balance_keeps_the_value(dynamics):
    example = trace(dynamics)
    plain = DivergenceConfig(free=0.0).build(SPEC, 1).loss(example)
    balanced = DivergenceConfig(free=0.0, balance=0.8).build(SPEC, 1).loss(example)
    torch.testing.assert_close(balanced, plain)


def test_balance_scales_the_gradients_of_prior_and_posterior(dynamics):
    """Of the gradient by the statistics, the prior gets 0.8 and the posterior 0.2."""
    example = trace(dynamics)
    stats = {
        side: tree.map(lambda x: x.detach().requires_grad_(), getattr(example, side)) for side in ("prior", "posterior")
    }
    leaves = {side: tree.leaves(state.stats) for side, state in stats.items()}
    nats = dynamics.divergence(stats["posterior"], stats["prior"]).mean()
    expected = {side: torch.autograd.grad(nats, leaves[side], retain_graph=True) for side in leaves}
    detached = replace(example, **stats)
    loss = DivergenceConfig(free=0.0, balance=0.8).build(SPEC, 1).loss(detached).mean()
    for side, part in (("prior", 0.8), ("posterior", 0.2)):
        gradient = torch.autograd.grad(loss, leaves[side], retain_graph=True)
        torch.testing.assert_close(gradient, tuple(part * x for x in expected[side]))


def test_free_nats_have_no_gradient_with_a_balance(dynamics):
    example = trace(dynamics)
    loss = DivergenceConfig(free=1e6, balance=0.8).build(SPEC, 1).loss(example).mean()
    assert loss.item() == pytest.approx(1e6)
    assert not loss.requires_grad or not any(
        g.any()
        for g in torch.autograd.grad(loss, list(dynamics.parameters()), materialize_grads=True, allow_unused=True)
    )


def test_a_balance_above_one_is_an_error():
    with pytest.raises(UserError, match=r"`balance` of Divergence is 2\.0: it must be between 0 and 1, or none"):
        DivergenceConfig(balance=2.0)


@pytest.mark.parametrize(("groups", "classes"), [(0, 4), (4, 1)])
def test_too_few_groups_or_classes_are_an_error(groups, classes):
    with pytest.raises(UserError, match=r"`(groups|classes)` of Categorical is (0|1): it must be (1|2) or more"):
        CategoricalConfig(groups, classes)


def test_a_constant_group_is_a_collapse_and_a_constant_class_is_not():
    """A batch need not draw every class."""
    dynamics = RSSMConfig(latent=CategoricalConfig(GROUPS, CLASSES)).build(7, 2)
    changing = torch.eye(CLASSES)[torch.arange(12) % 3]  # three of four classes
    features = torch.randn(12, dynamics.feature_size, generator=torch.Generator().manual_seed(0))
    features[:, -GROUPS * CLASSES :] = torch.cat([changing, changing, changing.roll(1, 1)], 1)
    assert features.std(0).min() == 0
    healthy = scale_metrics(features, dynamics.feature_std(features))
    assert healthy["dead_dimensions"] == 0
    features[:, -CLASSES:] = torch.eye(CLASSES)[0]
    assert scale_metrics(features, dynamics.feature_std(features))["std_min"] == 0
