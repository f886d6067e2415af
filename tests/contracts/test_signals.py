"""Every learning signal keeps the contract, and some have an oracle."""

from dataclasses import replace

import brief
import pytest
import torch
from torch.distributions import Bernoulli, Normal

from reverie import tree
from reverie.dynamics.rollout import imagine
from reverie.errors import UserError
from reverie.nn.mlp import MLPConfig
from reverie.nn.two_hot import TwoHotConfig
from reverie.signals import SignalConfig
from reverie.signals.divergence import DivergenceConfig, OvershootingConfig
from reverie.signals.reconstruction import ReconstructionConfig
from reverie.signals.reward import ContinuationConfig, RewardConfig
from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.testing import check_signal
from reverie.testing.batches import small_spec
from reverie.testing.signals import BATCH, TIME, SignalCase

SPEC = small_spec()


@pytest.fixture
def case() -> SignalCase:
    torch.manual_seed(0)
    return SignalCase(SPEC)


@pytest.mark.parametrize("config", SignalConfig.choices().values(), ids=lambda config: config.__name__)
@pytest.mark.parametrize("steps", brief.STEPS)
def test_signals_keep_the_contract(config, steps, monkeypatch):
    assert brief.violations(check_signal, config(), steps, monkeypatch) == []


@pytest.mark.parametrize("config", [ReconstructionConfig(), RewardConfig(), ContinuationConfig()])
def test_loss_of_a_step_depends_on_its_own_target_alone(config, case):
    head = config.build(SPEC, case.dynamics.feature_size)
    trace = case.trace()
    before = head.loss(trace)
    reward, is_terminal = trace.batch.reward.clone(), trace.batch.is_terminal.clone()
    pixels = trace.obs["pixels"].clone()
    reward[2, 4] += 3
    is_terminal[2, 4] ^= True
    pixels[2, 4] = 0.5
    batch = replace(trace.batch, reward=reward, is_terminal=is_terminal)
    after = head.loss(replace(trace, batch=batch, obs=trace.obs | {"pixels": pixels}))
    assert (before != after).nonzero().tolist() == [[2, 4]]


@pytest.mark.parametrize(("std", "vector_std"), [(1.0, 1.0), (0.3, 2.0)])
def test_reconstruction_is_the_normal_likelihood_of_all_observations(std, vector_std, case):
    signal = replace(ReconstructionConfig(), std=std, vector_std=vector_std).build(SPEC, case.dynamics.feature_size)
    trace = case.trace()
    means = signal.decode(trace.features)
    assert {name: mean.shape for name, mean in means.items()} == {n: x.shape for n, x in trace.obs.items()}
    stds = {name: std if space.is_image else vector_std for name, space in SPEC.obs.items()}
    assert len({space.is_image for space in SPEC.obs.values()}) == 2
    expected = -sum(Normal(means[name], stds[name]).log_prob(trace.obs[name]).flatten(2).sum(-1) for name in means)
    torch.testing.assert_close(signal.loss(trace), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("every", [2, 4, 100])
def test_decoding_every_kth_step_counts_it_k_times(every, case):
    full, part = (ReconstructionConfig(every=k).build(SPEC, case.dynamics.feature_size) for k in (1, every))
    part.load_state_dict(full.state_dict())
    trace = case.trace()
    length = trace.batch.action.shape[1]
    decoded = [t for t in range(length) if (length - 1 - t) % every == 0]
    expected = torch.zeros(trace.batch.action.shape[:2])
    expected[:, decoded] = full.loss(trace)[:, decoded] * (length / len(decoded))
    torch.testing.assert_close(part.loss(trace), expected)


def test_reward_is_a_normal_likelihood_of_the_scaled_reward(case):
    signal = RewardConfig(scale=0.25).build(SPEC, case.dynamics.feature_size)
    trace = case.trace()
    expected = -Normal(signal.predict_reward(trace.features), 1.0).log_prob(trace.batch.reward / 4)
    torch.testing.assert_close(signal.loss(trace), expected)


def test_continuation_is_a_bernoulli_likelihood(case):
    signal = ContinuationConfig().build(SPEC, case.dynamics.feature_size)
    trace = case.trace()
    assert trace.batch.is_terminal.any()
    expected = -Bernoulli(signal.predict_continuation(trace.features)).log_prob(1 - trace.batch.is_terminal.float())
    torch.testing.assert_close(signal.loss(trace), expected)


def test_a_continuation_head_can_carry_the_discount(case):
    """Its label is soft: 0.9 where the episode goes on, 0 at its end."""
    signal = ContinuationConfig(discount=0.9).build(SPEC, case.dynamics.feature_size)
    trace = case.trace()
    label = 0.9 * (1 - trace.batch.is_terminal.float())
    p = signal.predict_continuation(trace.features)
    torch.testing.assert_close(signal.loss(trace), -(label * p.log() + (1 - label) * (1 - p).log()))


def test_a_two_hot_reward_classifies_the_scaled_reward(case):
    signal = RewardConfig(TwoHotConfig(MLPConfig(1, 8)), scale=0.25).build(SPEC, case.dynamics.feature_size)
    trace = case.trace()
    expected = signal.head.distribution(trace.features).nats(trace.batch.reward / 4)
    torch.testing.assert_close(signal.loss(trace), expected)
    torch.testing.assert_close(signal.predict_reward(trace.features), signal.head(trace.features)[..., 0])
    torch.testing.assert_close(signal.to_env_units(torch.ones(())), torch.tensor(4.0))


def test_a_squared_error_is_a_normal_likelihood(case):
    """With a std of `sqrt(1/2)`, up to a constant: DreamerV3's losses of images and vectors."""
    signal = ReconstructionConfig(std=0.5**0.5, vector_std=0.5**0.5, shared=True).build(
        SPEC, case.dynamics.feature_size
    )
    trace, other = case.trace(), case.trace()
    other.obs["state"] = other.obs["state"] + 1

    def squared(obs):
        means = signal.decode(trace.features)
        return sum((means[name] - obs[name]).square().flatten(2).sum(-1) for name in obs)

    difference = signal.loss(other) - signal.loss(trace)
    torch.testing.assert_close(difference, squared(other.obs) - squared(trace.obs), rtol=1e-4, atol=1e-2)


def test_one_network_can_decode_all_vectors():
    spec = EnvSpec({"b": Space((2,), "float32"), "a": Space((3,), "float32")}, ActionSpace(1, False), 1)
    signal = ReconstructionConfig(shared=True).build(spec, 5)
    features = torch.randn(4, 6, 5)
    means = signal.decode(features)
    assert {name: mean.shape for name, mean in means.items()} == {"a": (4, 6, 3), "b": (4, 6, 2)}
    assert torch.equal(torch.cat([means["a"], means["b"]], -1), signal.dense(features))


@pytest.mark.parametrize(("balance", "trained"), [(1.0, "prior"), (0.0, "posterior")])
def test_two_divergences_train_one_side_each(case, balance, trained):
    """Free nats count for each step, so a step below them has no gradient."""
    trace = case.trace()
    nats = case.dynamics.divergence(trace.posterior, trace.prior)
    free = nats.median().item() + 1e-3
    signal = DivergenceConfig(free=free, variant="element", balance=balance).build(SPEC, 1)
    torch.testing.assert_close(signal.loss(trace), nats.clamp(min=free))
    sides = {"prior": trace.prior.stats, "posterior": trace.posterior.stats}
    means = {name: stats.mean for name, stats in sides.items()}
    gradients = torch.autograd.grad(signal.loss(trace).sum(), list(means.values()), allow_unused=True)
    for name, gradient in zip(means, gradients):
        if name == trained:
            assert torch.equal(gradient.abs().sum(-1) > 0, nats > free)
        else:
            assert gradient is None


def test_a_time_limit_is_no_termination(case):
    signal = ContinuationConfig().build(SPEC, case.dynamics.feature_size)
    trace = case.trace()
    never, limit = torch.zeros(BATCH, TIME, dtype=torch.bool), torch.ones(BATCH, TIME, dtype=torch.bool)
    going_on = signal.loss(replace(trace, batch=replace(trace.batch, is_terminal=never, is_last=never)))
    cut = signal.loss(replace(trace, batch=replace(trace.batch, is_terminal=never, is_last=limit)))
    ended = signal.loss(replace(trace, batch=replace(trace.batch, is_terminal=limit, is_last=limit)))
    assert torch.equal(going_on, cut)
    assert (going_on != ended).all()


def test_free_nats_count_for_a_step_or_a_batch(case):
    trace = case.trace()
    nats = case.dynamics.divergence(trace.posterior, trace.prior)
    middle, mean = nats.median().item(), nats.mean().item()
    element = DivergenceConfig(free=middle, variant="element").build(SPEC, 1).loss(trace)
    torch.testing.assert_close(element, nats.clamp(min=middle))
    assert torch.equal(DivergenceConfig(free=0.9 * mean).build(SPEC, 1).loss(trace), nats)
    free = DivergenceConfig(free=1.1 * mean).build(SPEC, 1).loss(trace)
    torch.testing.assert_close(free, torch.full_like(nats, 1.1 * mean))


def test_divergence_trains_prior_and_posterior(case):
    DivergenceConfig(free=0.0).build(SPEC, 1).loss(case.trace()).mean().backward()
    assert case.dynamics.prior[0].weight.grad.any()
    assert case.dynamics.posterior[0].weight.grad.any()


@pytest.mark.parametrize("distance", [2, 3, 9])
def test_overshooting_equals_a_slow_loop(case, distance):
    """The loop predicts each pair of steps of one episode on its own. Sequence 1 has the border of two episodes."""
    trace, batch = case.trace(), case.batch
    found = OvershootingConfig(distance, free=0.0, variant="element").build(SPEC, 1).loss(trace)
    expected = torch.zeros(BATCH, TIME)
    for b in range(BATCH):
        for t in range(TIME):
            for d in range(2, min(distance, t) + 1):
                if batch.is_first[b, t - d + 1 : t + 1].any():
                    continue
                between = slice(t - d, t)
                start = tree.map(lambda x, b=b, t=t, d=d: x[b, t - d][None], trace.posterior)
                noise = case.noise[b, t - d + 1 : t + 1][None]
                states = imagine(case.dynamics, start, batch.action[b, between][None], noise)
                last = tree.map(lambda x: x[0, -1], states)
                now = tree.map(lambda x, b=b, t=t: x[b, t], trace.posterior)
                expected[b, t] += case.dynamics.divergence(now, last) / (distance - 1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (expected > 0).any()


def test_overshooting_has_no_gradient_for_the_posterior(case):
    """With a fixed start, only the prior and the memory learn."""
    trace = case.trace()
    leaves = tree.map(lambda x: x.detach().requires_grad_(), trace.posterior)
    signal = OvershootingConfig(2, free=0.0).build(SPEC, 1)
    loss = signal.loss(replace(trace, posterior=leaves))[:, 2:].sum()
    gradients = torch.autograd.grad(loss, tree.leaves(leaves), allow_unused=True)
    assert all(gradient is None or not gradient[:, -2:].any() for gradient in gradients)
    with pytest.raises(UserError, match="2 or more"):
        OvershootingConfig(1)
