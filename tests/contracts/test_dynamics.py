"""Every latent model keeps the contract, and its gradients equal finite differences."""

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
from reverie.testing.dynamics import ACTION, BATCH, TIME, DynamicsCase

FORWARD = [
    DeterministicConfig(forward=forward(), residual=residual)
    for forward in ForwardConfig.choices().values()
    for residual in (False, True)
]
RECURRENT = [RSSMConfig(latent=latent()) for latent in LatentConfig.choices().values()] + [
    RSSMConfig(cell="layer_norm"),
    RSSMConfig(cell="reset_first"),
]
CONFIGS = list(dict.fromkeys([config() for config in DynamicsConfig.choices().values()] + FORWARD + RECURRENT))


def name(config) -> str:
    if isinstance(config, DeterministicConfig):
        return f"{type(config.forward).__name__}-{'residual' if config.residual else 'plain'}"
    if isinstance(config, RSSMConfig):
        return f"{type(config).__name__}-{type(config.latent).__name__}-{config.cell}"
    return type(config).__name__


@pytest.fixture(params=CONFIGS, ids=name)
def case(request) -> DynamicsCase:
    """Dynamics of the default config with random weights, and sequences."""
    torch.manual_seed(0)
    return DynamicsCase(request.param, 7, ACTION)


def has_categorical_samples(dynamics) -> bool:
    return hasattr(getattr(dynamics, "latent", None), "classes")


def in_float64(case) -> tuple:
    """Return dynamics, actions, embeddings and noise in float64. Categorical samples have no slopes, so skip them."""
    if has_categorical_samples(case.dynamics):
        pytest.skip("categorical samples have no slopes")
    return case.dynamics.double(), case.action.double(), case.embed.double(), case.noise.double()


@pytest.mark.parametrize("config", CONFIGS, ids=name)
@pytest.mark.parametrize("steps", brief.STEPS)
def test_dynamics_keep_the_contract(config, steps, monkeypatch):
    assert brief.violations(check_dynamics, config, steps, monkeypatch) == []


@pytest.mark.parametrize("config", LatentConfig.choices().values())
def test_latents_keep_the_contract(config):
    assert check_latent(config()) == []


@pytest.mark.parametrize("config", ForwardConfig.choices().values())
def test_forward_models_keep_the_contract(config):
    assert check_forward_model(config()) == []


def test_no_noise_is_the_center_of_the_noise(case):
    """Opposite noise gives features on both sides of those without noise, where the latent is symmetric."""
    dynamics, noise = case.dynamics, case.noise[:, 0]
    prior = dynamics.predict(dynamics.initial(BATCH), case.action[:, 0], None)
    middle, again, up, down = (
        dynamics.features(dynamics.correct(prior, case.embed[:, 0], x)) for x in (None, None, noise, -noise)
    )
    assert torch.equal(middle, again)
    if not torch.equal(up, middle) and not has_categorical_samples(dynamics):
        torch.testing.assert_close((up + down) / 2, middle, rtol=1e-5, atol=1e-6)


def test_gradients_of_features_equal_finite_differences(case):
    """Features of an imagined sequence by its actions, in float64 with fixed noise."""
    dynamics, action, embed, noise = in_float64(case)
    start = tree.detach(dynamics.correct(dynamics.initial(BATCH), embed[:, 0], None))
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
def test_gradients_of_the_imagined_return_equal_finite_differences(case, sampled):
    """In float64 with fixed noise, by the first and the last action of a candidate."""
    dynamics, action, embed, noise = in_float64(case)
    torch.manual_seed(2)
    head = MLP(MLPConfig(1, 16), dynamics.feature_size, 1).double()
    model = KnownWorld(dynamics, reward=lambda features: head(features)[..., 0])
    posterior = observe(dynamics, dynamics.initial(BATCH), action, embed, case.never, noise)[1]
    belief = tree.detach(tree.map(lambda x: x[:, -1], posterior))
    generator = torch.Generator().manual_seed(3)
    futures = dynamics.noise(BATCH, 2, TIME, generator=generator).double() if sampled else None
    score = score_of(model, RewardSumConfig().build(model, None))(belief, futures)
    candidate = action[:, None].clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(score(candidate).sum(), candidate)
    for t in (0, TIME - 1):
        for part in range(ACTION):
            nudge = torch.zeros_like(candidate)
            nudge[:, :, t, part] = 1e-6
            slope = (score(candidate + nudge) - score(candidate - nudge)) / 2e-6
            assert (slope.abs() > 1e-9).all()
            torch.testing.assert_close(gradient[:, :, t, part], slope, rtol=1e-5, atol=1e-9)
