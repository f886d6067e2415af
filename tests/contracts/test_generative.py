"""Every generative model keeps the contract, and its bound equals oracles."""

from dataclasses import replace

import brief
import pytest
import torch
from pictures import SPEC, A, B, T, batch
from torch.distributions import Independent, Normal, kl_divergence

from reverie.dynamics.latents import GaussianConfig
from reverie.errors import UserError
from reverie.models import GenerativeConfig
from reverie.models.likelihoods import BernoulliPixelsConfig, GaussianPixelsConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.mlp import MLPConfig
from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.testing import check_generative

Z = 4
IMAGES = {"dense": MLPConfig(1, 12), "conv": ConvConfig(2)}
LIKELIHOODS = {"gaussian": GaussianPixelsConfig(0.3, learned=True), "bernoulli": BernoulliPixelsConfig()}
CASES = [
    pytest.param(config, image, likelihood, id=f"{config.__name__}-{image}-{likelihood}")
    for config in GenerativeConfig.choices().values()
    for image, likelihood in zip(IMAGES, LIKELIHOODS)
]


def built(kind, image, likelihood, **changed):
    torch.manual_seed(0)
    config = kind(image=IMAGES[image], latent=GaussianConfig(Z, 1e-3), likelihood=LIKELIHOODS[likelihood])
    return replace(config, **changed).build(SPEC)


@pytest.mark.parametrize(("kind", "image", "likelihood"), CASES)
@pytest.mark.parametrize("steps", brief.STEPS)
def test_generative_models_keep_the_contract(kind, image, likelihood, steps, monkeypatch):
    config = kind(image=IMAGES[image], latent=GaussianConfig(Z, 1e-3), likelihood=LIKELIHOODS[likelihood])
    assert brief.violations(check_generative, config, steps, monkeypatch) == []


@pytest.mark.parametrize(("kind", "image", "likelihood"), CASES)
def test_bound_equals_oracles(kind, image, likelihood):
    """The complexity is that of torch.distributions, and the bound is below the importance-weighted one."""
    model, seen = built(kind, image, likelihood), batch()
    generator = torch.Generator().manual_seed(1)
    trace = model.trace(seen, model.noise(B, T, generator))
    losses = model.losses(trace)
    assert {name: loss.shape for name, loss in losses.items()} == dict.fromkeys(model.weights, (B, T))
    mask = trace.targets.mask
    posterior, prior = (Independent(Normal(s.mean, s.std), 1) for s in (trace.posterior, trace.prior))
    complexity = (kl_divergence(posterior, prior) * mask).sum() / mask.sum()
    torch.testing.assert_close(losses["divergence"].mean(), complexity)
    metrics = model.metrics(trace, losses)
    torch.testing.assert_close(metrics["bound"], -losses["reconstruction"].mean() - complexity)
    weights = model.evidence(seen, torch.stack([model.noise(B, T, generator) for _ in range(60)]))
    one = torch.stack([model.evidence(seen, model.noise(1, B * T, generator).reshape(1, B, T, Z)) for _ in range(20)])
    assert ((weights - one.mean(0)) * mask).sum() > 0


@pytest.mark.parametrize(("kind", "image", "likelihood"), CASES)
def test_one_weight_is_the_bound_by_one_sample(kind, image, likelihood):
    """ln w = ln p(x|z) + ln p(z) - ln q(z|x), against torch.distributions."""
    model, seen = built(kind, image, likelihood), batch()
    noise = model.noise(B, T, torch.Generator().manual_seed(2))
    trace = model.trace(seen, noise)
    posterior, prior = (Independent(Normal(s.mean, s.std), 1) for s in (trace.posterior, trace.prior))
    log_likelihood = model.likelihood.log_prob(trace.output, trace.targets.pixels)
    expected = log_likelihood + prior.log_prob(trace.sample) - posterior.log_prob(trace.sample)
    torch.testing.assert_close(model.evidence(seen, noise[None]), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", GenerativeConfig.choices().values())
def test_beta_and_free_nats(kind):
    """`beta` multiplies the complexity. Below the free nats the complexity has no gradient."""
    seen, noise = batch(), torch.zeros(B, T, Z)
    plain, heavy = built(kind, "dense", "gaussian"), built(kind, "dense", "gaussian", beta=3.0)
    ask = plain.losses(plain.trace(seen, noise))
    difference = heavy.total(heavy.losses(heavy.trace(seen, noise))) - plain.total(ask)
    torch.testing.assert_close(difference, 2 * ask["divergence"].mean(), rtol=1e-4, atol=1e-4)
    free = built(kind, "dense", "gaussian", free=1e3)
    losses = free.losses(free.trace(seen, noise))
    assert losses["divergence"].mean() == 1e3
    gradients = torch.autograd.grad(
        losses["divergence"].sum(), list(free.parameters()), allow_unused=True, materialize_grads=True
    )
    assert not any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("kind", GenerativeConfig.choices().values())
def test_data_without_exactly_one_image_raise_an_error(kind):
    for obs in ({"side": Space((2,), "float32")}, {name: Space((8, 8, 1), "uint8") for name in ("left", "right")}):
        with pytest.raises(UserError, match=r"needs exactly one image, and these data have [02]"):
            kind().build(EnvSpec(obs, ActionSpace(A, False), 1))
