"""Every learning signal keeps the contract, in the words of `reverie.testing`; and what some of them compute."""

from dataclasses import replace

import brief
import pytest
import torch
from mocks import random_batch, spec
from torch.distributions import Bernoulli, Normal

from reverie import tree
from reverie.dynamics.rollout import imagine, observe, prev_action
from reverie.dynamics.rssm import RSSMConfig
from reverie.errors import UserError
from reverie.signals import SignalConfig
from reverie.signals.divergence import DivergenceConfig, OvershootingConfig
from reverie.signals.reconstruction import ReconstructionConfig
from reverie.signals.reward import ContinuationConfig, RewardConfig
from reverie.testing import check_signal
from reverie.types import Trace

SPEC = spec(image=16, vector=3)
BATCH, TIME, EMBED = 3, 6, 7


class Setting:
    """A small model's dynamics and a batch; `trace` filters the batch anew, so gradients reach the dynamics."""

    def __init__(self, dtype=torch.float32) -> None:
        torch.manual_seed(0)
        self.dynamics = RSSMConfig(deter=8, hidden=8).build(EMBED, SPEC.action.size).to(dtype)
        self.embed = 5 * torch.randn(BATCH, TIME, EMBED, dtype=dtype)  # a divergence well above what is free
        self.noise = torch.randn(BATCH, TIME, self.dynamics.noise_size, dtype=dtype)
        batch = random_batch(SPEC, BATCH, TIME)
        black_or_white = 255 * (batch.obs["pixels"][:, :, :1, :1, :1] // 128)  # what can be learned in 50 steps
        self.batch = replace(batch, obs=batch.obs | {"pixels": black_or_white.expand(-1, -1, 16, 16, 3)})
        self.obs = {
            "pixels": self.batch.obs["pixels"].to(dtype) / 255 - 0.5,
            "state": self.batch.obs["state"].to(dtype),
        }

    def trace(self) -> Trace:
        batch, dynamics = self.batch, self.dynamics
        start, led_here = dynamics.initial(BATCH), prev_action(batch.action)
        prior, posterior = observe(dynamics, start, led_here, self.embed, batch.is_first, self.noise)
        features = dynamics.features(posterior)
        return Trace(batch, self.obs, self.embed, prior, posterior, features, dynamics, self.noise)


@pytest.fixture
def setting() -> Setting:
    return Setting()


@pytest.mark.parametrize("config", SignalConfig.choices().values(), ids=lambda config: config.__name__)
@pytest.mark.parametrize("steps", brief.STEPS)
def test_signals_keep_the_contract(config, steps, monkeypatch):
    assert brief.complaints(check_signal, config(), steps, monkeypatch) == []


@pytest.mark.parametrize("config", [ReconstructionConfig(), RewardConfig(), ContinuationConfig()])
def test_a_step_is_judged_by_its_own_target_alone(config, setting):
    head = config.build(SPEC, setting.dynamics.feature_size)
    trace = setting.trace()
    before = head.loss(trace)
    reward, is_terminal = trace.batch.reward.clone(), trace.batch.is_terminal.clone()
    pixels = trace.obs["pixels"].clone()
    reward[2, 4] += 3
    is_terminal[2, 4] ^= True
    pixels[2, 4] = 0.5
    batch = replace(trace.batch, reward=reward, is_terminal=is_terminal)
    after = head.loss(replace(trace, batch=batch, obs=trace.obs | {"pixels": pixels}))
    assert (before != after).nonzero().tolist() == [[2, 4]]


@pytest.mark.parametrize("std", [1.0, 0.3])
def test_reconstruction_is_a_normal_likelihood_of_everything_observed(std, setting):
    signal = replace(ReconstructionConfig(), std=std).build(SPEC, setting.dynamics.feature_size)
    trace = setting.trace()
    means = signal.decode(trace.features)
    assert {name: mean.shape for name, mean in means.items()} == {n: x.shape for n, x in trace.obs.items()}
    expected = -sum(Normal(means[name], std).log_prob(trace.obs[name]).flatten(2).sum(-1) for name in means)
    torch.testing.assert_close(signal.loss(trace), expected, rtol=1e-4, atol=1e-3)


def test_reward_is_a_normal_likelihood_of_the_scaled_reward(setting):
    signal = RewardConfig(scale=0.25).build(SPEC, setting.dynamics.feature_size)
    trace = setting.trace()
    expected = -Normal(signal.predict_reward(trace.features), 1.0).log_prob(trace.batch.reward / 4)
    torch.testing.assert_close(signal.loss(trace), expected)


def test_continuation_is_a_bernoulli_likelihood_of_not_being_terminal(setting):
    signal = ContinuationConfig().build(SPEC, setting.dynamics.feature_size)
    trace = setting.trace()
    assert trace.batch.is_terminal.any()
    expected = -Bernoulli(signal.predict_continuation(trace.features)).log_prob(1 - trace.batch.is_terminal.float())
    torch.testing.assert_close(signal.loss(trace), expected)


def test_a_time_limit_goes_on_and_a_termination_does_not(setting):
    signal = ContinuationConfig().build(SPEC, setting.dynamics.feature_size)
    trace = setting.trace()
    never, limit = torch.zeros(BATCH, TIME, dtype=torch.bool), torch.ones(BATCH, TIME, dtype=torch.bool)
    going_on = signal.loss(replace(trace, batch=replace(trace.batch, is_terminal=never, is_last=never)))
    cut = signal.loss(replace(trace, batch=replace(trace.batch, is_terminal=never, is_last=limit)))
    ended = signal.loss(replace(trace, batch=replace(trace.batch, is_terminal=limit, is_last=limit)))
    assert torch.equal(going_on, cut)
    assert (going_on != ended).all()


def test_divergence_leaves_free_nats_a_step_or_a_batch(setting):
    trace = setting.trace()
    nats = setting.dynamics.divergence(trace.posterior, trace.prior)
    middle, mean = nats.median().item(), nats.mean().item()
    element = DivergenceConfig(free=middle, variant="element").build(SPEC, 1).loss(trace)
    torch.testing.assert_close(element, nats.clamp(min=middle))
    assert torch.equal(DivergenceConfig(free=0.9 * mean).build(SPEC, 1).loss(trace), nats)
    free = DivergenceConfig(free=1.1 * mean).build(SPEC, 1).loss(trace)
    torch.testing.assert_close(free, torch.full_like(nats, 1.1 * mean))


def test_divergence_trains_prior_and_posterior(setting):
    DivergenceConfig(free=0.0).build(SPEC, 1).loss(setting.trace()).mean().backward()
    assert setting.dynamics.prior[0].weight.grad.any()
    assert setting.dynamics.posterior[0].weight.grad.any()


@pytest.mark.parametrize("distance", [2, 3, 9])
def test_overshooting_is_the_divergence_of_every_prediction_that_was_made(setting, distance):
    """A slow loop: each pair of steps of one episode is predicted on its own. No free nats; sequence 1 has a border."""
    trace, batch = setting.trace(), setting.batch
    found = OvershootingConfig(distance, free=0.0, variant="element").build(SPEC, 1).loss(trace)
    expected = torch.zeros(BATCH, TIME)
    for b in range(BATCH):
        for t in range(TIME):
            for d in range(2, min(distance, t) + 1):
                if batch.is_first[b, t - d + 1 : t + 1].any():
                    continue
                between = slice(t - d, t)
                start = tree.map(lambda x, b=b, t=t, d=d: x[b, t - d][None], trace.posterior)
                noise = setting.noise[b, t - d + 1 : t + 1][None]
                states = imagine(setting.dynamics, start, batch.action[b, between][None], noise)
                last = tree.map(lambda x: x[0, -1], states)
                now = tree.map(lambda x, b=b, t=t: x[b, t], trace.posterior)
                expected[b, t] += setting.dynamics.divergence(now, last) / (distance - 1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (expected > 0).any()


def test_overshooting_does_not_move_what_is_predicted(setting):
    """With the start held, posteriors get no gradient: only the prior and the memory are taught."""
    trace = setting.trace()
    leaves = tree.map(lambda x: x.detach().requires_grad_(), trace.posterior)
    signal = OvershootingConfig(2, free=0.0).build(SPEC, 1)
    loss = signal.loss(replace(trace, posterior=leaves))[:, 2:].sum()
    moved = torch.autograd.grad(loss, tree.leaves(leaves), allow_unused=True)
    assert all(gradient is None or not gradient[:, -2:].any() for gradient in moved)
    with pytest.raises(UserError, match="2 or more"):
        OvershootingConfig(1)
