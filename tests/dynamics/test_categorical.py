"""Categorical latents against torch.distributions, and balanced divergences against autograd."""

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


def test_the_divergence_is_that_of_torch(latent):
    q, p = outputs(0, 5, 2), outputs(1, 5, 2)
    found = latent.divergence(latent.stats(q), latent.stats(p))
    torch.testing.assert_close(found, kl_divergence(independent(q), independent(p)))


def test_each_group_draws_one_class_with_its_probability(latent):
    output = outputs(0)
    noise = latent.noise(20_000, generator=torch.Generator().manual_seed(0))
    sample = latent.sample(latent.stats(output.expand(20_000, -1)), noise)
    grouped = sample.unflatten(-1, (GROUPS, CLASSES))
    torch.testing.assert_close(grouped.sum(-1), torch.ones(20_000, GROUPS))
    torch.testing.assert_close(sample.mean(0), independent(output).mean.flatten(), atol=0.015, rtol=0)


def test_without_noise_the_likeliest_class_of_each_group(latent):
    output = outputs(0, 6)
    found = latent.sample(latent.stats(output), None).unflatten(-1, (GROUPS, CLASSES)).argmax(-1)
    assert torch.equal(found, output.unflatten(-1, (GROUPS, CLASSES)).argmax(-1))


def trace(dynamics) -> Trace:
    """Sequences that the dynamics has seen."""
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


def test_balance_changes_the_gradient_and_not_the_value(dynamics):
    seen = trace(dynamics)
    plain = DivergenceConfig(free=0.0).build(SPEC, 1).loss(seen)
    balanced = DivergenceConfig(free=0.0, balance=0.8).build(SPEC, 1).loss(seen)
    torch.testing.assert_close(balanced, plain)


def test_the_balanced_gradient_is_the_weighted_sum_of_the_two_that_autograd_gives(dynamics):
    """By the statistics themselves: 0.8 of what the divergence has by the prior's, 0.2 by the posterior's."""
    seen = trace(dynamics)
    stats = {
        side: tree.map(lambda x: x.detach().requires_grad_(), getattr(seen, side)) for side in ("prior", "posterior")
    }
    kinds = {side: tree.leaves(state.stats) for side, state in stats.items()}
    nats = dynamics.divergence(stats["posterior"], stats["prior"]).mean()
    expected = {side: torch.autograd.grad(nats, kinds[side], retain_graph=True) for side in kinds}
    own = replace(seen, **stats)
    loss = DivergenceConfig(free=0.0, balance=0.8).build(SPEC, 1).loss(own).mean()
    for side, part in (("prior", 0.8), ("posterior", 0.2)):
        found = torch.autograd.grad(loss, kinds[side], retain_graph=True)
        torch.testing.assert_close(found, tuple(part * x for x in expected[side]))


def test_what_is_free_is_free_on_both_sides(dynamics):
    seen = trace(dynamics)
    loss = DivergenceConfig(free=1e6, balance=0.8).build(SPEC, 1).loss(seen).mean()
    assert loss.item() == pytest.approx(1e6)
    assert not loss.requires_grad or not any(
        g.any()
        for g in torch.autograd.grad(loss, list(dynamics.parameters()), materialize_grads=True, allow_unused=True)
    )


def test_a_balance_is_a_part():
    with pytest.raises(UserError, match=r"`balance` of Divergence is 2\.0: it must be between 0 and 1, or none"):
        DivergenceConfig(balance=2.0)


@pytest.mark.parametrize(("groups", "classes"), [(0, 4), (4, 1)])
def test_a_latent_of_nothing_is_one_sentence(groups, classes):
    with pytest.raises(UserError, match=r"`(groups|classes)` of Categorical is (0|1): it must be (1|2) or more"):
        CategoricalConfig(groups, classes)


def test_a_class_may_rest_and_a_group_may_not():
    """Classes that a batch does not draw are no sign of collapse; a group that never changes is."""
    dynamics = RSSMConfig(latent=CategoricalConfig(GROUPS, CLASSES)).build(7, 2)
    moving = torch.eye(CLASSES)[torch.arange(12) % 3]  # of four classes one rests
    features = torch.randn(12, dynamics.feature_size, generator=torch.Generator().manual_seed(0))
    features[:, -GROUPS * CLASSES :] = torch.cat([moving, moving, moving.roll(1, 1)], 1)
    assert features.std(0).min() == 0
    healthy = scale_metrics(features, dynamics.feature_std(features))
    assert healthy["dead_dimensions"] == 0
    features[:, -CLASSES:] = torch.eye(CLASSES)[0]
    assert scale_metrics(features, dynamics.feature_std(features))["std_min"] == 0
