import math
from dataclasses import replace

import pytest
import torch
from mocks import model_config, random_batch, spec

from reverie.dynamics.rollout import observe
from reverie.dynamics.rssm import RSSMConfig
from reverie.errors import UserError
from reverie.models.world_model import WorldModel, WorldModelConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.normalize import Normalize
from reverie.nn.optimizer import AdamConfig, Optimizer
from reverie.nn.pooled_conv import PooledConvConfig
from reverie.signals.base import RewardHead
from reverie.signals.contrastive import ContrastiveConfig
from reverie.signals.latent_prediction import LatentPredictionConfig
from reverie.signals.reconstruction import ReconstructionConfig
from reverie.signals.reward import RewardConfig
from reverie.spaces import ActionSpace, EnvSpec, Space

SPEC = spec(image=16, vector=2)


def make(**config) -> WorldModel:
    torch.manual_seed(0)
    return WorldModel(model_config(**config), SPEC)


@pytest.mark.parametrize(
    ("forgotten", "extra", "named"), [("reward", None, "reward"), (None, "curiosity", "curiosity")]
)
def test_signals_and_weights_must_have_the_same_names(forgotten, extra, named):
    config = model_config()
    weights = {name: weight for name, weight in config.weights.items() if name != forgotten}
    weights |= {extra: 1.0} if extra else {}
    with pytest.raises(UserError, match=rf"differ in \['{named}'\]"):
        WorldModel(replace(config, weights=weights), SPEC)


def test_a_world_model_without_a_signal_is_refused():
    with pytest.raises(UserError, match=r"model\.signals is empty: a world model needs a signal"):
        WorldModel(WorldModelConfig(), SPEC)


def test_a_signal_cannot_have_a_name_that_pytorch_reserves():
    signals = {"forward": LatentPredictionConfig()}
    with pytest.raises(UserError, match="cannot be named forward"):
        WorldModel(replace(model_config(), signals=signals, weights={"forward": 1.0}), SPEC)


def test_a_pooled_decoder_fits_the_other_parts():
    config, conv = model_config(), PooledConvConfig(2, units=8, blocks=2, deter=12)
    signals = config.signals | {"reconstruction": ReconstructionConfig(conv, MLPConfig(1, 8))}
    assert WorldModel(replace(config, signals=signals), SPEC).has(RewardHead)
    with pytest.raises(UserError, match=r"has `deter` 12, but .* has 8 numbers: set it to 8 too"):
        WorldModel(replace(config, signals=signals, dynamics=RSSMConfig(8, 8)), SPEC)
    with pytest.raises(UserError, match=r"--model\.encoder\.normalize false"):
        WorldModel(replace(config, signals=signals, encoder=replace(config.encoder, normalize=True)), SPEC)


def test_losses_are_named_by_signal_and_have_one_number_per_step():
    model, batch = make(), random_batch(SPEC)
    losses = model.losses(model.trace(batch, None))
    assert {name: tuple(loss.shape) for name, loss in losses.items()} == dict.fromkeys(model_config().signals, (3, 6))


def test_total_is_the_weighted_sum_of_means():
    model = WorldModel(
        replace(model_config(continuation=False), weights={"reconstruction": 1.0, "reward": 10.0, "divergence": 0.5}),
        SPEC,
    )
    losses = {
        "reconstruction": torch.tensor([[1.0, 3.0]]),
        "reward": torch.tensor([[0.5, 0.0]]),
        "divergence": torch.tensor([[4.0, 4.0]]),
    }
    assert model.total(losses).item() == 2 + 2.5 + 2


def test_normalization_of_images_and_vectors():
    spec = EnvSpec({"i": Space((1, 3, 1), "uint8"), "v": Space((3,), "float32")}, ActionSpace(1, False), 1)
    stored = {"i": torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(1, 3, 1), "v": torch.tensor([0.0, -1.0, 1e6])}
    found = Normalize(spec, bits=8)(stored)
    torch.testing.assert_close(found["i"].flatten(), torch.tensor([-0.5, -0.3, 0.5]))
    torch.testing.assert_close(found["v"], torch.tensor([0.0, -math.log(2), math.log(1 + 1e6)]))


@pytest.mark.parametrize("calibrated", [False, True])
def test_images_of_five_bits_are_the_centers_of_their_bins(calibrated):
    """As in PlaNet, `floor(x / 8) / 32 - 1/2`, plus half a bin in place of its uniform noise; at most 4 are lost."""
    spec = EnvSpec({"i": Space((16, 16, 1), "uint8")}, ActionSpace(1, False), 1)
    shades = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1)
    normalize = Normalize(spec, bits=5)
    found = normalize({"i": shades})["i"]
    expected = torch.tensor([(x // 8) / 32 - 0.5 + 0.5 / 32 for x in range(256)])
    torch.testing.assert_close(found.flatten(), expected)
    if calibrated:
        normalize.calibrate({"i": torch.cat([shades, shades.flip(1)])})
        torch.testing.assert_close(
            normalize({"i": torch.cat([shades, shades.flip(1)])})["i"].square().mean(), torch.tensor(1.0)
        )
    back = normalize.invert(normalize({"i": shades}))["i"]
    assert (back - shades.float()).abs().max() < 4.1


def test_calibrated_images_have_mean_0_and_rms_1_and_can_be_inverted():
    spec = EnvSpec({"i": Space((4, 4, 3), "uint8")}, ActionSpace(1, False), 1)
    images = torch.randint(0, 256, (5, 7, 4, 4, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    normalize = Normalize(spec, bits=8)
    normalize.calibrate({"i": images})
    found = normalize({"i": images})["i"]
    torch.testing.assert_close(found.mean((0, 1)), torch.zeros(4, 4, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.square().mean().sqrt(), torch.tensor(1.0))
    torch.testing.assert_close(normalize.invert({"i": found})["i"], images.float(), atol=1e-2, rtol=0)
    normalize.calibrate({"i": torch.full_like(images, 7)})
    assert normalize({"i": torch.full_like(images, 7)})["i"].abs().max() < 1e-5


def test_the_trace_filters_by_the_action_that_led_to_each_step():
    """Compare with a loop by hand: the prior of column t uses `action[t - 1]`, that of column 0 a zero action."""
    model, batch = make(), random_batch(SPEC)
    noise = torch.randn(3, 6, model.dynamics.noise_size)
    trace = model.trace(batch, noise)
    dynamics, state = model.dynamics, model.dynamics.initial(3)
    for t in range(6):
        action = batch.action[:, t - 1] if t else torch.zeros(3, 2)
        first = batch.is_first[:, t, None]
        action = torch.where(first, 0.0, action)
        fresh = dynamics.initial(3)
        state = replace(
            state,
            deter=torch.where(first, fresh.deter, state.deter),
            stoch=torch.where(first, fresh.stoch, state.stoch),
        )
        prior = dynamics.predict(state, action, None)
        state = dynamics.correct(prior, trace.embed[:, t], noise[:, t])
        torch.testing.assert_close(trace.features[:, t], dynamics.features(state))
        torch.testing.assert_close(dynamics.features(trace.prior)[:, t], dynamics.features(prior))


def test_the_last_action_of_a_window_has_no_effect():
    """The action of the last column leads out of the window."""
    model, batch = make(), random_batch(SPEC)
    action = batch.action.clone()
    action[:, -1] = 0.7
    found = model.trace(replace(batch, action=action), None)
    assert torch.equal(found.features, model.trace(batch, None).features)


def test_the_terminal_reward_belongs_to_the_final_observation():
    """Its loss and gradient lie on the last column of the episode, not on the first column of the next one."""
    model, batch = make(), random_batch(SPEC)
    assert batch.is_last[1, 2]
    assert batch.is_first[1, 3]
    trace = model.trace(batch, None)
    reward = batch.reward.clone()
    reward[1, 2] += 10
    signal = model.signals["reward"]
    changed = signal.loss(replace(trace, batch=replace(batch, reward=reward))) - signal.loss(trace)
    assert changed.nonzero().tolist() == [[1, 2]]
    (by_features,) = torch.autograd.grad(changed[1, 2], trace.features)
    assert by_features.flatten(2).any(-1).nonzero().tolist() == [[1, 2]]


def test_no_gradient_crosses_the_border_of_an_episode():
    """Check the belief and the action before `is_first`."""
    model, batch = make(), random_batch(SPEC)
    action = batch.action.clone().requires_grad_()
    trace = model.trace(replace(batch, action=action), None)
    by_action, by_embed = torch.autograd.grad(trace.features[1, 3:].sum(), [action, trace.embed])
    assert by_action.any(-1).nonzero().tolist() == [[1, 3], [1, 4]]
    assert by_embed.any(-1).nonzero().tolist() == [[1, 3], [1, 4], [1, 5]]


@pytest.mark.slow
def test_overfitting_one_batch():
    model, batch = make(), random_batch(SPEC, batch=2)
    black_or_white = 255 * (batch.obs["pixels"][:, :, :1, :1, :1] // 128)
    batch = replace(batch, obs=batch.obs | {"pixels": black_or_white.expand(-1, -1, 16, 16, 3)})
    optimizer = Optimizer(AdamConfig(lr=1e-2), model.parameters())
    noise = torch.randn(2, 6, model.dynamics.noise_size)
    found = []
    for _ in range(150):
        trace = model.trace(batch, noise)
        losses = model.losses(trace)
        found.append({name: loss.mean().item() for name, loss in losses.items()})
        optimizer.step(model.total(losses))
    constant = 0.5 * math.log(2 * math.pi)
    pixels, numbers = 16 * 16 * 3, 2
    first, last = found[0], found[-1]
    # the losses above the likelihood's constant must fall to a small fraction
    floor = constant * (pixels + numbers)
    assert last["reconstruction"] - floor < 0.2 * (first["reconstruction"] - floor)
    assert last["reward"] - constant < 0.1 * (first["reward"] - constant)
    assert last["continuation"] < 0.2


def test_metrics_contain_feature_std_and_divergence():
    model, batch = make(), random_batch(SPEC)
    trace = model.trace(batch, None)
    metrics = model.metrics(trace, model.losses(trace))
    features = trace.features.flatten(0, 1)
    torch.testing.assert_close(metrics["features/std"], features.std(0).mean())
    torch.testing.assert_close(metrics["divergence"], model.dynamics.divergence(trace.posterior, trace.prior).mean())
    assert not any(x.requires_grad for x in metrics.values())


def test_the_trace_equals_observe_from_the_initial_belief():
    model, batch = make(), random_batch(SPEC, batch=2, length=2)
    trace = model.trace(batch, None)
    led_here = torch.cat([torch.zeros(2, 1, 2), batch.action[:, :1]], 1)
    _, posterior = observe(model.dynamics, model.dynamics.initial(2), led_here, trace.embed, batch.is_first, None)
    assert torch.equal(model.dynamics.features(posterior), trace.features)


def test_metrics_of_signals_are_logged_under_their_names():
    config = model_config()
    signals = config.signals | {"tell_apart": ContrastiveConfig()}
    model = WorldModel(replace(config, signals=signals, weights=dict.fromkeys(signals, 1.0)), SPEC)
    trace = model.trace(random_batch(SPEC), None)
    metrics = model.metrics(trace, model.losses(trace))
    expected = model.signals["tell_apart"].metrics(trace)
    assert {"bound", "cap", "accuracy"} == expected.keys()
    assert all(torch.equal(metrics[f"tell_apart/{name}"], value) for name, value in expected.items())
    assert not any(x.requires_grad for x in metrics.values())


def test_heads_are_found_by_protocol_and_not_by_name():
    config = model_config()
    renamed = {f"my_{name}": signal for name, signal in config.signals.items()}
    model = replace(config, signals=renamed, weights=dict.fromkeys(renamed, 1.0)).build(SPEC)
    features = torch.randn(3, 4, model.dynamics.feature_size)
    assert model.reward(features).shape == model.continuation(features).shape == (3, 4)
    pixels = model.decode(features, in_env_units=True)["pixels"]
    assert pixels.shape == (3, 4, 16, 16, 3)
    assert 2 < pixels.max() <= 255
    assert model.head_name(RewardHead) == "my_reward"


def test_a_reward_in_environment_units_is_divided_by_its_scale():
    config = model_config()
    signals = config.signals | {"reward": RewardConfig(MLPConfig(1, 16), scale=0.5)}
    model = replace(config, signals=signals).build(SPEC)
    features = torch.randn(3, model.dynamics.feature_size)
    assert torch.equal(model.reward(features, in_env_units=True), 2 * model.reward(features))
    assert torch.equal(model.to_env_units(model.reward(features)), 2 * model.reward(features))


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_squashed_reward_in_environment_units_is_the_reward_that_was_squashed(scale):
    """Sums of squashed rewards stay squashed. A reward that the tanh cannot tell from infinity stays finite."""
    config = model_config()
    signals = config.signals | {"reward": RewardConfig(MLPConfig(1, 16), scale=scale, squash="tanh")}
    model = replace(config, signals=signals).build(SPEC)
    head = model.signals["reward"]
    rewards = torch.tensor([-1.5, 0.0, 0.3, 2.0, 100.0])
    head.predict_reward = lambda features: head.target(rewards)
    found = model.reward(torch.zeros(5, model.dynamics.feature_size), in_env_units=True)
    torch.testing.assert_close(found[:-1], rewards[:-1], rtol=1e-4, atol=1e-6)
    assert found[-1] == pytest.approx(3.8002 / scale, rel=1e-3)
    torch.testing.assert_close(model.to_env_units(head.target(rewards).sum()), (rewards * scale).tanh().sum() / scale)


def test_a_missing_head_is_an_error_and_a_missing_continuation_is_1():
    signals, weights = {"prediction": LatentPredictionConfig()}, {"prediction": 1.0}
    model = WorldModelConfig(dynamics=RSSMConfig(deter=8, hidden=8), signals=signals, weights=weights).build(SPEC)
    features = torch.randn(3, model.dynamics.feature_size)
    assert model.continuation(features).tolist() == [1.0, 1.0, 1.0]
    assert not model.has(RewardHead)
    for read, fix in ((model.reward, "add a reward signal"), (model.decode, "`Reconstruction`")):
        with pytest.raises(UserError, match=fix):
            read(features)
    with pytest.raises(UserError, match=r"--objective\.similarity distance"):
        model.similarity(features, features)
