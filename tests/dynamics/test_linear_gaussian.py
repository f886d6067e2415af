"""The variational bound of a linear-Gaussian model, through the library's own loop, against the Kalman filter.

s_t = a s_{t-1} + q w_t,  s_0 = 0        o_t = s_t + r v_t        w, v ~ N(0, 1)
"""

import pytest
import torch
from torch import Tensor

from reverie.dynamics.latents import Gaussian, GaussianConfig, GaussianStats
from reverie.dynamics.rollout import observe
from reverie.dynamics.rssm import SSMState
from reverie.math.distributions import diagonal_log_prob

A, Q, R, T, PATHS = 0.9, 0.7, 0.5, 6, 20_000


class LinearGaussian:
    """The model. Its posterior is its prior times a Gaussian message; the embed is the precision and shift of that."""

    latent = Gaussian(GaussianConfig(1))

    def initial(self, batch: int) -> SSMState:
        zero = torch.zeros(batch, 1)
        return SSMState(zero, GaussianStats(zero, torch.ones_like(zero)))

    def predict(self, state: SSMState, action: Tensor, noise: Tensor | None) -> SSMState:
        stats = GaussianStats(A * state.stoch, torch.full_like(state.stoch, Q))
        return SSMState(self.latent.sample(stats, noise), stats)

    def correct(self, prior: SSMState, embed: Tensor, noise: Tensor | None) -> SSMState:
        precision = Q**-2 + embed[..., :1]
        mean = (prior.stats.mean * Q**-2 + embed[..., 1:]) / precision
        stats = GaussianStats(mean, precision.rsqrt())
        return SSMState(self.latent.sample(stats, noise), stats)

    def features(self, state: SSMState) -> Tensor:
        return state.stoch

    def divergence(self, posterior: SSMState, prior: SSMState) -> Tensor:
        return self.latent.divergence(posterior.stats, prior.stats)


def observations() -> Tensor:
    generator = torch.Generator().manual_seed(3)
    state, observed = torch.zeros(()), []
    for _ in range(T):
        state = A * state + Q * torch.randn((), generator=generator)
        observed.append(state + R * torch.randn((), generator=generator))
    return torch.stack(observed)


def kalman_log_likelihood(observed: Tensor) -> float:
    """Return `sum_t ln p(o_t | o_{<t})`, by prediction and correction of mean and variance."""
    mean, variance, total = 0.0, 0.0, 0.0
    for value in observed.tolist():
        mean, variance = A * mean, A**2 * variance + Q**2
        spread = variance + R**2
        total += float(torch.distributions.Normal(mean, spread**0.5).log_prob(torch.tensor(value)))
        gain = variance / spread
        mean, variance = mean + gain * (value - mean), (1 - gain) * variance
    return total


def smoothing(observed: Tensor) -> Tensor:
    """Return messages from the present *and the future*, which give the true posterior `p(s_t | s_{t-1}, o_{t:T})`."""
    precision = shift = 0.0
    messages = []
    for value in reversed(observed.tolist()):
        through = 1 + Q**2 * precision  # the message from the next step, through the dynamics
        precision, shift = A**2 * precision / through + R**-2, A * shift / through + value / R**2
        messages.append([precision, shift])
    return torch.tensor(messages[::-1])


def filtering(observed: Tensor) -> Tensor:
    """Return messages from the present alone, as in a filter."""
    return torch.stack([torch.full_like(observed, R**-2), observed / R**2], dim=-1)


def bound(messages: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """Return reconstruction less complexity, and the log-weight, of each sampled path."""
    model = LinearGaussian()
    noise = torch.randn(PATHS, T, 1, generator=torch.Generator().manual_seed(0))
    embed, never = messages.expand(PATHS, -1, -1), torch.zeros(PATHS, T, dtype=torch.bool)
    prior, posterior = observe(model, model.initial(PATHS), torch.zeros(PATHS, T, 1), embed, never, noise)
    wide = torch.full_like(posterior.stoch, R)
    reconstruction = diagonal_log_prob(observed[:, None].expand(PATHS, T, 1), posterior.stoch, wide)
    complexity = model.divergence(posterior, prior)
    sampled = diagonal_log_prob(posterior.stoch, posterior.stats.mean, posterior.stats.std) - diagonal_log_prob(
        posterior.stoch, prior.stats.mean, prior.stats.std
    )
    return (reconstruction - complexity).sum(1), (reconstruction - sampled).sum(1)


def test_the_kalman_filter_agrees_with_the_joint_density():
    """The observations are jointly Gaussian with this covariance."""
    observed = observations()
    powers = torch.tensor([[A ** (t - k) if k <= t else 0.0 for k in range(T)] for t in range(T)])
    covariance = Q**2 * powers @ powers.T + R**2 * torch.eye(T)
    joint = torch.distributions.MultivariateNormal(torch.zeros(T), covariance).log_prob(observed)
    assert kalman_log_likelihood(observed) == pytest.approx(float(joint), abs=1e-4)


def test_the_bound_is_tight_at_the_true_posterior():
    observed = observations()
    elbo, weight = bound(smoothing(observed), observed)
    exact = kalman_log_likelihood(observed)
    torch.testing.assert_close(weight, torch.full((PATHS,), exact), atol=1e-4, rtol=0)  # for every path
    error = float(elbo.std()) / PATHS**0.5
    assert float(elbo.mean()) == pytest.approx(exact, abs=4 * error)


def test_the_bound_is_lower_for_worse_posteriors():
    """The bound without the future is below the likelihood. Messages three times as strong lower it further."""
    observed = observations()
    exact = kalman_log_likelihood(observed)
    filtered = bound(filtering(observed), observed)[0]
    error = float(filtered.std()) / PATHS**0.5
    assert float(filtered.mean()) < exact - 4 * error
    assert float(bound(3 * filtering(observed), observed)[0].mean()) < float(filtered.mean()) - 4 * error
