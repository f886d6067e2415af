import math

import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Bernoulli, Independent, Normal, TanhTransform, TransformedDistribution

from reverie.math import distributions as ours

finite = st.floats(-20, 20)


@given(finite, finite, st.floats(0.05, 5))
def test_normal_log_prob(value, mean, std):
    value, mean = torch.tensor([value, mean], dtype=torch.float64)
    torch.testing.assert_close(ours.normal_log_prob(value, mean, std), Normal(mean, std).log_prob(value))


@given(finite, st.sampled_from([0.0, 1.0]))
def test_bernoulli_log_prob(logit, outcome):
    logit, outcome = torch.tensor([logit, outcome], dtype=torch.float64)
    torch.testing.assert_close(ours.bernoulli_log_prob(logit, outcome), Bernoulli(logits=logit).log_prob(outcome))


def test_bernoulli_log_prob_of_a_soft_target():
    found = ours.bernoulli_log_prob(torch.tensor(0.0), torch.tensor(0.3))
    torch.testing.assert_close(found, torch.tensor(math.log(0.5)))
    logit = torch.tensor(math.log(3.0))  # probability 3/4
    expected = torch.tensor(0.3 * math.log(0.75) + 0.7 * math.log(0.25))
    torch.testing.assert_close(ours.bernoulli_log_prob(logit, torch.tensor(0.3)), expected)


def test_normal_entropy():
    std = torch.tensor([[0.1, 1.0, 7.0], [2.0, 3.0, 0.5]])
    torch.testing.assert_close(ours.normal_entropy(std), Independent(Normal(torch.zeros(2, 3), std), 1).entropy())


def test_tanh_normal_sample_and_its_gradient():
    mean, std = torch.tensor([0.5], requires_grad=True), torch.tensor([2.0], requires_grad=True)
    assert ours.TanhNormal(mean, std).sample(None).item() == torch.tanh(mean).item()
    sample = ours.TanhNormal(mean, std).sample(torch.tensor([-0.75]))
    assert sample.item() == torch.tanh(torch.tensor(0.5 - 1.5)).item()
    by_mean, by_std = torch.autograd.grad(sample, [mean, std])
    slope = 1 - sample.detach().square()
    torch.testing.assert_close([by_mean, by_std], [slope, -0.75 * slope])


def test_gumbel_max_draws_with_the_frequencies_of_softmax():
    logits = torch.tensor([1.0, -1.0, 0.0, 2.0])
    count = 40_000
    noise = ours.gumbel(count, 4, generator=torch.Generator().manual_seed(0))
    sample = ours.one_hot_sample(logits.expand(count, 4), noise)
    assert (sample.sum(-1) - 1).abs().max() < 1e-6
    # four standard deviations of a frequency of 40,000 draws are at most 0.01
    torch.testing.assert_close(sample.mean(0), logits.softmax(-1), atol=0.01, rtol=0)


def test_one_hot_without_noise_is_the_mode():
    logits = torch.tensor([[0.0, 3.0, 1.0], [2.0, -1.0, 1.0]])
    torch.testing.assert_close(ours.one_hot_sample(logits, None), torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]))


def test_one_hot_carries_the_gradient_of_softmax():
    logits = torch.tensor([[0.3, -0.7, 1.1]], requires_grad=True)
    weight = torch.tensor([[2.0, -1.0, 5.0]])
    (found,) = torch.autograd.grad((ours.one_hot_sample(logits, torch.zeros(1, 3)) * weight).sum(), logits)
    (expected,) = torch.autograd.grad((logits.softmax(-1) * weight).sum(), logits)
    torch.testing.assert_close(found, expected)


def test_gumbel_noise_is_finite_and_has_its_moments():
    noise = ours.gumbel(200_000, generator=torch.Generator().manual_seed(1))
    assert noise.isfinite().all()
    torch.testing.assert_close(noise.mean().item(), 0.5772, atol=0.02, rtol=0)  # Euler's constant
    torch.testing.assert_close(noise.var().item(), math.pi**2 / 6, atol=0.05, rtol=0)


def test_tanh_normal_entropy_equals_that_of_torch_on_average():
    mean, std = torch.tensor([0.3, -2.0], dtype=torch.float64), torch.tensor([0.5, 1.5], dtype=torch.float64)
    noise = torch.randn(200_000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    squashed = torch.distributions.TransformedDistribution(
        torch.distributions.Normal(mean, std), torch.distributions.TanhTransform(cache_size=1)
    )
    action = torch.tanh(mean + std * noise).clamp(-1 + 1e-15, 1 - 1e-15)
    expected = -squashed.log_prob(action).sum(-1).mean()
    found = ours.TanhNormal(mean.expand_as(noise), std.expand_as(noise)).entropy(noise).mean()
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)


def test_entropy_pulls_a_saturated_policy_back():
    mean = torch.tensor([20.0], requires_grad=True)
    entropy = ours.TanhNormal(mean, torch.ones(1)).entropy(torch.zeros(1))
    assert torch.autograd.grad(entropy, mean)[0].item() == pytest.approx(-2.0)


def test_the_straight_through_gradient_of_a_linear_function_is_the_gradient_of_its_expectation():
    logits = torch.tensor([0.3, -1.0, 0.7, 0.0], dtype=torch.float64, requires_grad=True)
    worth = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    noise = ours.gumbel(50, 4, generator=torch.Generator().manual_seed(0)).double()
    (found,) = torch.autograd.grad((ours.one_hot_sample(logits.expand(50, 4), noise) @ worth).mean(), logits)
    (expected,) = torch.autograd.grad(logits.softmax(-1) @ worth, logits)
    torch.testing.assert_close(found, expected)


bounded = st.tuples(st.floats(-1, 1), st.floats(0.1, 2.1))


@given(st.lists(bounded, min_size=1, max_size=3), st.floats(-3, 3))
def test_the_truncated_normal_equals_that_of_scipy(parts, value):
    mean, std = torch.tensor(parts, dtype=torch.float64).T
    m, s = mean.numpy(), std.numpy()
    reference = scipy.stats.truncnorm((-1 - m) / s, (1 - m) / s, m, s)
    found, noise = ours.TruncatedNormal(mean, std), torch.full_like(mean, value)
    expected = reference.logpdf(found.sample(noise).numpy()).sum()
    assert found.log_prob(noise).item() == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert found.entropy(noise).item() == pytest.approx(reference.entropy().sum(), rel=1e-6, abs=1e-9)


def test_truncated_normal_samples_are_quantiles_within_the_bounds():
    mean, std = torch.tensor([0.9, -1.0, 0.0]).double(), torch.tensor([0.5, 2.1, 0.1]).double()
    noise = torch.linspace(-4, 4, 101).double()[:, None].expand(101, 3)
    sample = ours.TruncatedNormal(mean.expand(101, 3), std.expand(101, 3)).sample(noise)
    m, s = mean.numpy(), std.numpy()
    expected = scipy.stats.truncnorm((-1 - m) / s, (1 - m) / s, m, s).ppf(scipy.stats.norm.cdf(noise.numpy()))
    assert sample.abs().max() <= 1
    torch.testing.assert_close(sample, torch.from_numpy(expected), atol=2e-4, rtol=0)
    assert torch.equal(ours.TruncatedNormal(mean, std).sample(None), mean)


def test_truncated_normal_samples_in_float32_are_finite_and_bounded_with_gradients():
    mean = torch.tensor([-1.0, 1.0, 0.0]).expand(2000, 3).clone().requires_grad_()
    std = torch.tensor([0.1, 0.1, 2.1]).expand(2000, 3).clone().requires_grad_()
    noise = 4 * torch.randn(2000, 3, generator=torch.Generator().manual_seed(0))
    sample = ours.TruncatedNormal(mean, std).sample(noise)
    assert sample.isfinite().all()
    assert sample.abs().max() <= 1
    gradients = torch.autograd.grad(sample.sum(), [mean, std])
    assert all(gradient.isfinite().all() and gradient.any() for gradient in gradients)


def test_the_gradient_of_a_truncated_sample_agrees_with_finite_differences():
    noise = torch.tensor([[-1.2, 0.3], [0.8, 2.0]], dtype=torch.float64)
    mean = torch.tensor([0.4, -0.7], dtype=torch.float64, requires_grad=True)
    std = torch.tensor([0.6, 0.3], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda m, s: ours.TruncatedNormal(m.expand(2, 2), s.expand(2, 2)).sample(noise), (mean, std)
    )


@given(st.lists(st.tuples(st.floats(-2, 2), st.floats(0.1, 2)), min_size=1, max_size=3), st.floats(-3, 3))
def test_tanh_normal_log_prob_equals_that_of_torch(parts, value):
    mean, std = torch.tensor(parts, dtype=torch.float64).T
    squashed = TransformedDistribution(Independent(Normal(mean, std), 1), TanhTransform())
    u = torch.full_like(mean, value)
    torch.testing.assert_close(ours.TanhNormal(mean, std).log_prob((u - mean) / std), squashed.log_prob(u.tanh()))


@pytest.mark.parametrize("share", [0.0, 0.01, 1.0])
def test_mix_uniform_is_the_mixture_and_has_a_lower_bound(share):
    logits = torch.tensor([[0.0, 50.0, -50.0], [1.0, 2.0, 3.0]], dtype=torch.float64)
    probability = ours.mix_uniform(logits, share).exp()
    torch.testing.assert_close(probability, (1 - share) * logits.softmax(-1) + share / 3)
    assert probability.min() >= share / 3
    torch.testing.assert_close(probability.sum(-1), torch.ones(2, dtype=torch.float64))


def test_unit_normal_is_the_normal_likelihood():
    mean, target = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours.UnitNormal(mean).nats(target), -Normal(mean, 1.0).log_prob(target))


def test_a_clipped_normal_is_clipped_after_its_density():
    mean, std = torch.tensor([[0.9, -0.2]], requires_grad=True), torch.tensor([[0.5, 0.5]])
    noise = torch.tensor([[1.0, 1.0]])
    policy = ours.ClippedNormal(mean, std)
    torch.testing.assert_close(policy.sample(noise), torch.tensor([[1.0, 0.3]]))
    assert torch.equal(policy.sample(None), mean)
    expected = Independent(Normal(mean, std), 1)
    torch.testing.assert_close(policy.log_prob(noise), expected.log_prob(torch.tensor([[1.4, 0.3]])))
    torch.testing.assert_close(policy.entropy(noise), expected.entropy())
    (gradient,) = torch.autograd.grad(policy.log_prob(noise).sum(), mean)
    torch.testing.assert_close(gradient, noise / std)


@pytest.mark.parametrize("shape", [(3,), (5, 4), (2, 3, 8), (2, 16)])
def test_softmax_of_groups_of_any_size(shape):
    logits = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours.softmax(logits), logits.exp() / logits.exp().sum(-1, keepdim=True))


def test_a_sample_without_gradient_is_one_hot_exactly():
    logits = torch.randn(100, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    noise = ours.gumbel(100, 4, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        without = ours.one_hot_sample(logits, noise)
    assert sorted(without.unique().tolist()) == [0.0, 1.0]
    assert torch.equal(without, ours.one_hot_sample(logits, noise).detach())
