"""Every latent model keeps the contract, in the words of `reverie.testing`, and its gradients are slopes."""

from collections.abc import Callable

import brief
import pytest
import torch
from mocks import KnownWorld

from reverie import tree
from reverie.dynamics import DynamicsConfig
from reverie.dynamics.deterministic import DeterministicConfig, ForwardConfig
from reverie.dynamics.latents import LatentConfig
from reverie.dynamics.rollout import imagine, observe
from reverie.dynamics.rssm import RSSMConfig
from reverie.nn.mlp import MLP, MLPConfig
from reverie.planning.actor import score_of
from reverie.planning.objectives import RewardSumConfig
from reverie.testing import check_dynamics, check_forward_model, check_latent

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


@pytest.mark.parametrize("config", CONFIGS, ids=name)
@pytest.mark.parametrize("steps", brief.STEPS)
def test_dynamics_keep_the_contract(config, steps, monkeypatch):
    assert brief.complaints(check_dynamics, config, steps, monkeypatch) == []


@pytest.mark.parametrize("config", LatentConfig.choices().values())
def test_latents_keep_the_contract(config):
    assert check_latent(config()) == []


@pytest.mark.parametrize("config", ForwardConfig.choices().values())
def test_forward_models_keep_the_contract(config):
    assert check_forward_model(config()) == []


def test_none_is_the_center_of_the_noise(dynamics):
    """None depends on no noise, and opposite noise lies on both sides of it where the latent is symmetric."""
    action, embed, noise = sequence(dynamics)
    prior = dynamics.predict(dynamics.initial(BATCH), action[:, 0], None)
    middle, again, up, down = (
        dynamics.features(dynamics.correct(prior, embed[:, 0], x)) for x in (None, None, noise[:, 0], -noise[:, 0])
    )
    assert torch.equal(middle, again)
    if not torch.equal(up, middle) and not jumps(dynamics):
        torch.testing.assert_close((up + down) / 2, middle, rtol=1e-5, atol=1e-6)


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
