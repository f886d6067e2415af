"""What every dynamics owes, whichever it is: a new one is picked up from the union of configs."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass

import pytest
import torch
from mocks import KnownWorld

from reverie import tree
from reverie.dynamics import DynamicsConfig
from reverie.dynamics.deterministic import DeterministicConfig
from reverie.dynamics.forward_models import ForwardConfig
from reverie.dynamics.latents import LatentConfig
from reverie.dynamics.rollout import imagine, observe
from reverie.dynamics.rssm import RSSMConfig
from reverie.nn.mlp import MLP, MLPConfig
from reverie.planning.actor import score_of
from reverie.planning.objectives import RewardSumConfig

FORWARD = [
    DeterministicConfig(forward=forward(), residual=residual)
    for forward in ForwardConfig.choices().values()
    for residual in (False, True)
]
RECURRENT = [RSSMConfig(latent=latent()) for latent in LatentConfig.choices().values()] + [
    RSSMConfig(cell="layer_norm")
]
CONFIGS = list(dict.fromkeys([config() for config in DynamicsConfig.choices().values()] + FORWARD + RECURRENT))
BATCH, TIME, EMBED, ACTION = 4, 5, 7, 2


def name(config) -> str:
    if isinstance(config, DeterministicConfig):
        return f"{type(config.forward).__name__}-{'residual' if config.residual else 'plain'}"
    if isinstance(config, RSSMConfig):
        return f"{type(config).__name__}-{type(config.latent).__name__}-{config.cell}"
    return type(config).__name__


@pytest.fixture(params=CONFIGS, ids=name)
def build(request) -> Callable:
    """A model of the default config, all parameters drawn at random."""

    def make():
        torch.manual_seed(0)
        dynamics = request.param.build(EMBED, ACTION)
        with torch.no_grad():
            for parameter in dynamics.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
        return dynamics

    return make


@pytest.fixture
def dynamics(build):
    return build()


def sequence(dynamics, dtype=torch.float32):
    """Actions, embeddings and noise, the same at every call."""
    generator = torch.Generator().manual_seed(1)
    action = 2 * torch.rand(BATCH, TIME, ACTION, generator=generator) - 1
    embed = torch.randn(BATCH, TIME, EMBED, generator=generator)
    noise = dynamics.noise(BATCH, TIME, generator=generator)
    return action.to(dtype), embed.to(dtype), noise.to(dtype)


def seen(dynamics, embed):
    """A belief that has seen something: from the initial one, an action need not lead anywhere."""
    return dynamics.correct(dynamics.initial(BATCH), embed[:, 0], None)


def needs_smooth_samples(dynamics) -> None:
    """Samples that jump have no slopes; their straight-through gradient has tests of its own."""
    if jumps(dynamics):
        pytest.skip("categorical samples jump")


def jumps(dynamics) -> bool:
    return hasattr(getattr(dynamics, "latent", None), "classes")


def never(batch: int = BATCH, length: int = TIME) -> torch.Tensor:
    return torch.zeros(batch, length, dtype=torch.bool)


def shapes(state) -> list[torch.Size]:
    return [leaf.shape for leaf in tree.leaves(state)]


def assert_equal(found, expected, **tolerance) -> None:
    assert type(found) is type(expected)
    torch.testing.assert_close(tree.leaves(found), tree.leaves(expected), **tolerance)


def test_state_is_a_frozen_dataclass_of_tensors(dynamics):
    state = dynamics.initial(BATCH)
    assert is_dataclass(state)
    with pytest.raises(AttributeError):
        setattr(state, fields(state)[0].name, None)
    assert all(shape[0] == BATCH for shape in shapes(state))


def test_tree_structure_is_kept(dynamics):
    action, embed, noise = sequence(dynamics)
    state = dynamics.initial(BATCH)
    prior = dynamics.predict(state, action[:, 0], noise[:, 0])
    posterior = dynamics.correct(prior, embed[:, 0], noise[:, 0])
    for found in (prior, posterior):
        assert type(found) is type(state)
        assert shapes(found) == shapes(state)
    assert dynamics.features(posterior).shape == (BATCH, dynamics.feature_size)
    assert dynamics.divergence(posterior, prior).shape == (BATCH,)
    assert noise.shape == (BATCH, TIME, dynamics.noise_size)


def test_any_leading_axes(dynamics):
    """Features and divergence of a trace (B, T) are those of each step; predict takes (B, T) too."""
    action, embed, noise = sequence(dynamics)
    prior, posterior = observe(dynamics, dynamics.initial(BATCH), action, embed, never(), noise)
    assert dynamics.features(posterior).shape == (BATCH, TIME, dynamics.feature_size)
    third = tree.map(lambda x: x[:, 3], posterior), tree.map(lambda x: x[:, 3], prior)
    torch.testing.assert_close(dynamics.divergence(posterior, prior)[:, 3], dynamics.divergence(*third))
    ahead = dynamics.predict(posterior, action, noise)
    one = dynamics.predict(third[0], action[:, 3], noise[:, 3])
    assert_equal(tree.map(lambda x: x[:, 3], ahead), one, rtol=1e-5, atol=1e-6)


def test_permuting_the_batch_permutes_the_result(dynamics):
    action, embed, noise = sequence(dynamics)
    order = torch.tensor([2, 0, 3, 1])
    start = dynamics.initial(BATCH)
    expected = observe(dynamics, start, action, embed, never(), noise)[1]
    found = observe(dynamics, start, action[order], embed[order], never(), noise[order])[1]
    assert_equal(found, tree.map(lambda x: x[order], expected), rtol=1e-5, atol=1e-6)


def test_is_first_in_mid_sequence_equals_a_fresh_start(dynamics):
    """The belief *and* the previous action are forgotten; other sequences go on."""
    action, embed, noise = sequence(dynamics)
    is_first, start = never(), dynamics.initial(BATCH)
    is_first[1, 2] = True
    found = observe(dynamics, start, action, embed, is_first, noise)
    led_here = action[:, 2:].clone()
    led_here[:, 0] = 0
    fresh = observe(dynamics, start, led_here, embed[:, 2:], never(length=TIME - 2), noise[:, 2:])
    for a, b in zip(found, fresh):
        assert_equal(tree.map(lambda x: x[1, 2:], a), tree.map(lambda x: x[1], b), rtol=1e-5, atol=1e-6)
    unmarked = observe(dynamics, start, action, embed, never(), noise)
    others = torch.tensor([0, 2, 3])
    for a, b in zip(found, unmarked):
        assert_equal(tree.map(lambda x: x[others], a), tree.map(lambda x: x[others], b))
    assert not torch.allclose(dynamics.features(found[0])[1, 2], dynamics.features(unmarked[0])[1, 2])


def test_imagine_equals_repeated_predict(dynamics):
    action, embed, noise = sequence(dynamics)
    state = seen(dynamics, embed)
    states = imagine(dynamics, state, action, noise)
    for t in range(TIME):
        state = dynamics.predict(state, action[:, t], noise[:, t])
        assert_equal(tree.map(lambda x, t=t: x[:, t], states), state, rtol=0, atol=0)


def test_same_noise_same_bits(build):
    """For two models of the same weights, and for a second call of one: nothing is remembered, nothing drawn."""
    one, two = build(), build()
    action, embed, noise = sequence(one)
    first = observe(one, one.initial(BATCH), action, embed, never(), noise)
    imagine(one, one.initial(BATCH), action, noise)
    for dynamics in (one, two):
        again = observe(dynamics, dynamics.initial(BATCH), action, embed, never(), noise)
        for a, b in zip(again, first):
            assert all(torch.equal(x, y) for x, y in zip(tree.leaves(a), tree.leaves(b)))


def test_noise_comes_from_the_generator_alone(dynamics):
    draws = [dynamics.noise(2, 3, generator=torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)]
    assert torch.equal(draws[0], draws[1])
    assert draws[0].shape == (2, 3, dynamics.noise_size)
    assert dynamics.noise_size == 0 or not torch.equal(draws[0], draws[2])


def test_none_is_the_centre_of_the_noise(dynamics):
    """None depends on no noise, and opposite noise lies on both sides of it where the latent is symmetric."""
    action, embed, noise = sequence(dynamics)
    prior = dynamics.predict(dynamics.initial(BATCH), action[:, 0], None)
    middle, again, up, down = (
        dynamics.features(dynamics.correct(prior, embed[:, 0], x)) for x in (None, None, noise[:, 0], -noise[:, 0])
    )
    assert torch.equal(middle, again)
    if not torch.equal(up, middle) and not jumps(dynamics):
        torch.testing.assert_close((up + down) / 2, middle, rtol=1e-5, atol=1e-6)


def test_divergence_of_a_state_from_itself_is_0_and_never_negative(dynamics):
    action, embed, noise = sequence(dynamics)
    prior, posterior = observe(dynamics, dynamics.initial(BATCH), action, embed, never(), noise)
    torch.testing.assert_close(dynamics.divergence(posterior, posterior), torch.zeros(BATCH, TIME), rtol=0, atol=1e-6)
    assert (dynamics.divergence(posterior, prior) > 0).all()


def test_the_first_action_reaches_the_last_feature(dynamics):
    action, embed, noise = sequence(dynamics)
    action.requires_grad_()
    states = imagine(dynamics, seen(dynamics, embed), action, noise)
    (gradient,) = torch.autograd.grad(dynamics.features(states)[:, -1].sum(), action)
    assert (gradient[:, 0] != 0).all()


def test_gradients_agree_with_finite_differences(build):
    """Features of an imagined sequence by its actions, in float64, noise fixed."""
    dynamics = build().double()
    needs_smooth_samples(dynamics)
    action, embed, noise = sequence(dynamics, torch.float64)
    start = tree.detach(seen(dynamics, embed))
    weight = torch.randn(BATCH, TIME, dynamics.feature_size, dtype=torch.float64)

    def score(actions):
        return (dynamics.features(imagine(dynamics, start, actions, noise)) * weight).sum()

    action.requires_grad_()
    (gradient,) = torch.autograd.grad(score(action), action)
    step = 1e-5
    with torch.no_grad():
        for b, t, a in [(0, 0, 0), (1, 2, 1), (3, TIME - 1, 0)]:
            nudge = torch.zeros_like(action)
            nudge[b, t, a] = step
            slope = (score(action + nudge) - score(action - nudge)) / (2 * step)
            torch.testing.assert_close(gradient[b, t, a], slope, rtol=1e-5, atol=1e-7)


def test_fifty_steps_on_one_batch_cut_the_loss(dynamics):
    """Features of the posterior learn to tell a target, and the prior learns to foresee the posterior."""
    action, embed, noise = sequence(dynamics)
    head = torch.nn.Linear(dynamics.feature_size, 1)
    optimizer = torch.optim.Adam([*dynamics.parameters(), *head.parameters()], lr=3e-3)
    target = embed.sum(-1) / EMBED**0.5
    found = []
    for _ in range(51):
        prior, posterior = observe(dynamics, dynamics.initial(BATCH), action, embed, never(), noise)
        error = (head(dynamics.features(posterior))[..., 0] - target).square().mean()
        loss = error + dynamics.divergence(posterior, prior).mean()
        found.append((loss.item(), error.item()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert found[-1][0] < 0.7 * found[0][0]
    assert found[-1][1] < 0.7 * found[0][1]
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in dynamics.parameters())


@pytest.mark.parametrize("sampled", [False, True], ids=["mean", "sampled"])
def test_gradients_of_the_imagined_return_are_its_slopes(build, sampled):
    """Finite differences in float64, by the first and the last action of a candidate, the noise fixed."""
    dynamics = build().double()
    needs_smooth_samples(dynamics)
    torch.manual_seed(2)
    head = MLP(MLPConfig(1, 16), dynamics.feature_size, 1).double()
    model = KnownWorld(dynamics, reward=lambda features: head(features)[..., 0])
    action, embed, noise = sequence(dynamics, torch.float64)
    belief = tree.map(lambda x: x[:, -1], observe(dynamics, dynamics.initial(BATCH), action, embed, never(), noise)[1])
    generator = torch.Generator().manual_seed(3)
    futures = dynamics.noise(BATCH, 2, TIME, generator=generator).double() if sampled else None
    score = score_of(model, RewardSumConfig().build(model, None))(tree.detach(belief), futures)
    candidate = action[:, None].clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(score(candidate).sum(), candidate)
    for t in (0, TIME - 1):
        for part in range(ACTION):
            nudge = torch.zeros_like(candidate)
            nudge[:, :, t, part] = 1e-6
            slope = (score(candidate + nudge) - score(candidate - nudge)) / 2e-6
            assert (slope.abs() > 1e-9).all()
            torch.testing.assert_close(gradient[:, :, t, part], slope, rtol=1e-5, atol=1e-9)
