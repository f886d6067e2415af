import math

import pytest
import torch
from torch import nn
from torch.distributions import Categorical, Independent, Normal, TanhTransform, TransformedDistribution

from reverie.agents.policies import PolicyConfig
from reverie.nn.mlp import MLPConfig
from reverie.spaces import ActionSpace

MLP = MLPConfig(layers=1, units=8)


def continuous(**config):
    return PolicyConfig(MLP, **config).build(ActionSpace(3, discrete=False), 4)


def discrete(**config):
    return PolicyConfig(MLP, **config).build(ActionSpace(3, discrete=True), 4)


def zero_network(policy) -> None:
    """Set all parameters to zero, so the network returns 0."""
    for parameter in policy.net.parameters():
        nn.init.zeros_(parameter)


def test_a_raw_output_of_0_gives_the_initial_std():
    policy = continuous(init_std=5.0, min_std=1e-4)
    zero_network(policy)
    found = policy.distribution(torch.randn(2, 4))
    assert not found.mean.any()
    torch.testing.assert_close(found.std, torch.full((2, 3), 5.0001))


def test_the_mean_stays_within_its_scale():
    policy = continuous(mean_scale=5.0)
    zero_network(policy)
    policy.net.net[-1].bias.data[:3] = torch.tensor([1.0, -100.0, 0.0])
    mean = policy.distribution(torch.zeros(1, 4)).mean
    torch.testing.assert_close(mean, torch.tensor([[5 * math.tanh(0.2), -5.0, 0.0]]))


def test_actions_stay_in_bounds_and_depend_on_the_noise():
    policy, features = continuous(), torch.randn(500, 4)
    noise = policy.noise(500, generator=torch.Generator().manual_seed(0))
    action = policy(features, noise)
    assert action.abs().max() <= 1
    found = policy.distribution(features)
    torch.testing.assert_close(action, torch.tanh(found.mean + found.std * noise))
    torch.testing.assert_close(policy(features, None), torch.tanh(found.mean))


def test_normal_exploration_is_clipped():
    policy = continuous(exploration=0.5)
    action = policy.explore(torch.tensor([[0.0, 0.9, -1.0]]), torch.tensor([[1.0, 1.0, -3.0]]))
    assert action.tolist() == [[0.5, 1.0, -1.0]]


def test_the_mean_entropy_equals_minus_the_mean_log_probability():
    """Compare with samples, for a policy that does not saturate."""
    policy, features = continuous(init_std=0.5), torch.randn(1, 4).expand(20_000, 4)
    noise = policy.noise(20_000, generator=torch.Generator().manual_seed(0))
    found = policy.distribution(features)
    squashed = TransformedDistribution(Independent(Normal(found.mean, found.std), 1), TanhTransform())
    expected = -squashed.log_prob(policy(features, noise)).mean()
    torch.testing.assert_close(policy.entropy(features, noise).mean(), expected, atol=0.05, rtol=0)


def test_a_discrete_entropy_is_exact():
    policy = discrete()
    features = torch.randn(6, 4)
    expected = torch.distributions.Categorical(logits=policy.net(features)).entropy()
    torch.testing.assert_close(policy.entropy(features, features), expected)
    zero_network(policy)
    torch.testing.assert_close(policy.entropy(features, features), torch.full((6,), math.log(3)))


def test_epsilon_greedy():
    """The first number decides whether to explore, the highest of the others which action."""
    policy = discrete(exploration=0.25)
    action = torch.eye(3)[[0, 0]]
    action = policy.explore(action, torch.tensor([[0.2, 0.1, 0.1, 0.9], [0.3, 0.1, 0.1, 0.9]]))
    assert action.tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_epsilon_greedy_explores_uniformly_with_probability_epsilon(epsilon):
    policy = discrete(exploration=epsilon)
    count = 30_000
    noise = policy.exploration_noise(count, generator=torch.Generator().manual_seed(0))
    frequency = policy.explore(torch.eye(3)[torch.zeros(count, dtype=torch.long)], noise).mean(0)
    expected = torch.tensor([1 - epsilon * 2 / 3, epsilon / 3, epsilon / 3])
    torch.testing.assert_close(frequency, expected, atol=0.012, rtol=0)  # four standard deviations


def test_a_truncated_normal_policy():
    """A zero network gives mean 0 and standard deviation 1 + min_std. Samples are bounded, and the mode is the mean."""
    policy = continuous(continuous="truncated_normal", min_std=0.1)
    zero_network(policy)
    features = torch.randn(2000, 4)
    found = policy.distribution(features)
    assert not found.mean.any()
    torch.testing.assert_close(found.std, torch.full((2000, 3), 1.1))
    action = policy(features, policy.noise(2000, generator=torch.Generator().manual_seed(0)))
    assert action.abs().max() <= 1
    assert not policy(features, None).any()


def test_a_clipped_normal_policy():
    """A zero network gives mean 0 and a standard deviation of 0.9 sigmoid(2) + 0.1, as published."""
    policy = continuous(continuous="clipped_normal", min_std=0.1)
    zero_network(policy)
    found = policy.distribution(torch.randn(2, 4))
    torch.testing.assert_close(found.std, torch.full((2, 3), 0.9 / (1 + math.exp(-2)) + 0.1))
    policy.net.net[-1].bias.data[:] = torch.tensor([5.0, 0.0, -5.0, -50.0, 50.0, 50.0])
    found = policy.distribution(torch.randn(1, 4))
    torch.testing.assert_close(found.mean, torch.tensor([[5.0, 0.0, -5.0]]).tanh())
    torch.testing.assert_close(found.std, torch.tensor([[0.1, 1.0, 1.0]]))
    assert policy(torch.randn(1, 4), torch.full((1, 3), 9.0)).tolist() == [[1.0, 1.0, 1.0]]


def test_a_share_of_a_discrete_policy_is_uniform():
    policy = discrete(unimix=0.03)
    zero_network(policy)
    policy.net.net[-1].bias.data[0] = 1000.0
    features, noise = torch.zeros(1, 4), policy.noise(1, generator=torch.Generator().manual_seed(0))
    probability = policy.distribution(features).logits.exp()
    torch.testing.assert_close(probability, torch.tensor([[0.98, 0.01, 0.01]]))
    expected = Categorical(probability).entropy()
    torch.testing.assert_close(policy.entropy(features, noise), expected)


@pytest.mark.parametrize(
    "build",
    [
        continuous,
        lambda: continuous(continuous="truncated_normal"),
        lambda: continuous(continuous="clipped_normal", min_std=0.1),
        discrete,
        lambda: discrete(unimix=0.1),
    ],
)
def test_the_score_function_has_mean_zero(build):
    """REINFORCE requires it: the log-probabilities belong to the policy's own samples."""
    torch.manual_seed(0)
    policy, features = build(), torch.randn(1, 4)
    many, noise = features.expand(40_000, 4), policy.noise(40_000, generator=torch.Generator().manual_seed(0))
    bias = policy.net.net[-1].bias
    (score,) = torch.autograd.grad(policy.log_prob(many, noise).mean(), bias)
    (one,) = torch.autograd.grad(policy.log_prob(many[:1], noise[:1]).mean(), bias)
    assert one.abs().max() > 0.1
    assert score.abs().max() < 0.03


@pytest.mark.parametrize("std", [1.0, 5.0])
def test_reinforce_and_the_reparametrized_gradient_agree(std):
    """The gradient of E[-(a - 0.5)^2], even where most actions round to the bounds."""
    policy, features = continuous(init_std=std), torch.zeros(1, 4).expand(400_000, 4)
    zero_network(policy)
    noise, bias = policy.noise(400_000, generator=torch.Generator().manual_seed(0)), policy.net.net[-1].bias
    gain = -(policy(features, noise) - 0.5).square().sum(-1)
    (path,) = torch.autograd.grad(gain.mean(), bias, retain_graph=True)
    baseline = gain.detach().mean()
    (score,) = torch.autograd.grad((policy.log_prob(features, noise) * (gain.detach() - baseline)).mean(), bias)
    torch.testing.assert_close(score, path, atol=6e-3, rtol=0)
