"""Recipes have the settings and sizes of the papers."""

import inspect
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

import reverie
from reverie import recipes
from reverie.config.files import decode, encode
from reverie.data.chunks import bytes_per_decision
from reverie.data.digits import Digits
from reverie.errors import UserError
from reverie.models.world_model import WorldModel
from reverie.recipes.presets import Protocol, online_preset, published_protocol
from reverie.runs.config import OnlineConfig, RunConfig
from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.testing.batches import small_spec

ROOT = Path(reverie.__file__).parents[1]


@pytest.mark.parametrize("env_id", ["dm_control/cartpole-swingup-v0", "CartPole-v1"])
@pytest.mark.parametrize("name", recipes.names())
def test_every_config_builds_and_is_read_back_from_json(name, env_id):
    """Models have shapes without numbers, on the meta device. CartPole has discrete actions and terminates."""
    cartpole = env_id == "CartPole-v1"
    for size in recipes.sizes(name):
        config = reverie.recipe(name, size, env_id)
        assert (config.recipe, config.size, config.world) == (name, size, env_id)
        assert decode(RunConfig, encode(config)) == config
        seen = small_spec(config.env.image_size, vector=3, discrete=cartpole)
        with torch.device("meta"):
            model = config.model.build(seen)
            if isinstance(config, OnlineConfig):
                config.behavior.build(seen, model.dynamics.feature_size)
                always = "dreamer_v3" in name or size in ("tiny", "small")
                assert ("continuation" in config.model.signals) == (cartpole or always)


@pytest.mark.parametrize("size", recipes.SIZES)
@pytest.mark.parametrize("name", ["vae", "cvae"])
def test_generative_recipes_learn_digits_without_an_environment(name, size):
    config = reverie.recipe(name, size)
    assert config.world == "digits"
    assert decode(RunConfig, encode(config)) == config
    with torch.device("meta"):
        assert config.model.build(Digits.spec).shape == (8, 8, 1)


@pytest.mark.parametrize("name", recipes.names())
def test_a_reading_list_is_five_files_that_compute_the_method(name):
    files = recipes.reading(name)
    assert len(set(files)) == 5
    assert all((ROOT / file).is_file() for file in files)
    models = {"reverie/models/world_model.py", "reverie/models/generative.py"}
    assert files[0] == f"reverie/recipes/{recipes.RECIPES[name][0]}.py"
    assert models & set(files)
    assert "reverie/runs/update.py" in files
    assert sum(len((ROOT / file).read_text().splitlines()) for file in files) < 900


@pytest.mark.parametrize("name", recipes.names())
def test_a_document_has_description_and_reading_list(name):
    text = recipes.document(name)
    assert all(file in text for file in recipes.reading(name))
    assert recipes.describe(name) == text.splitlines()[0]


@pytest.mark.parametrize(
    ("env_id", "expected"),
    [
        ("dm_control/walker-walk-v0", Protocol("dm_control", 2, 64, terminates=False, fast_rendering=True)),
        ("ALE/Pong-v5", Protocol("atari", 4)),
        ("MinAtar/Breakout-v1", Protocol("minatar", 1, 10)),
        ("CartPole-v1", Protocol()),
        ("my_lab:Thing-v0", Protocol()),
    ],
)
def test_published_protocol_of_each_family(env_id, expected):
    assert published_protocol(env_id) == expected


@pytest.mark.parametrize(
    ("size", "env_id", "network", "image_size"),
    [
        ("tiny", "MinAtar/Breakout-v1", "tiny", 16),
        ("laptop", "Pendulum-v1", "pendulum", 32),
        ("laptop", "MinAtar/Breakout-v1", "minatar", 10),
        ("laptop", "CartPole-v1", "pixels", 64),
        ("paper", "Pendulum-v1", "paper", 64),
    ],
)
def test_online_preset_fits_the_images(size, env_id, network, image_size):
    name, run = online_preset(size, env_id)
    assert (name, run.env.image_size) == (network, image_size)


def test_unknown_names_raise_one_sentence():
    with pytest.raises(UserError, match="Did you mean dreamer_v1"):
        reverie.recipe("dreamer_v11")
    with pytest.raises(UserError, match="Did you mean dreamer_v1"):
        recipes.reading("dreamer_v11")
    with pytest.raises(UserError, match=r"tiny, small, laptop, paper, or auto\."):
        reverie.recipe("dreamer_v1", "huge")
    with pytest.raises(UserError, match="tiny, laptop, 1m, 12m"):
        reverie.recipe("dreamer_v3", "huge")


def test_dreamer_v1_has_the_published_numbers():
    """Hafner 2020, App. A, and the published code."""
    config = reverie.recipe("dreamer_v1", "paper", "dm_control/walker-walk-v0")
    model, behavior, training = config.model, config.behavior, config.training
    assert (config.env.repeat, config.env.image_size, config.env.rendering) == (2, 64, "stock")
    assert (model.encoder.image.depth, model.encoder.image.activation, model.encoder.normalize) == (32, "relu", False)
    assert (model.dynamics.deter, model.dynamics.hidden, model.dynamics.latent.size) == (200, 200, 30)
    assert model.dynamics.latent.min_std == 0.1
    assert model.signals["reconstruction"].std == 1.0
    assert (model.signals["divergence"].free, model.signals["divergence"].variant) == (3.0, "mean")
    assert set(model.weights.values()) == {1.0}
    networks = (model.signals["reward"].mlp, behavior.value, behavior.policy.mlp)
    assert [(n.layers, n.units, n.activation) for n in networks] == [(2, 400, "elu"), (3, 400, "elu"), (4, 400, "elu")]
    assert (behavior.horizon, behavior.gamma, behavior.lambda_, behavior.entropy) == (15, 0.99, 0.95, 0.0)
    policy = behavior.policy
    assert (policy.init_std, policy.min_std, policy.mean_scale, policy.exploration) == (5.0, 1e-4, 5.0, 0.3)
    optimizers = (model.optimizer, behavior.actor_optimizer, behavior.value_optimizer)
    assert [(o.lr, o.eps, o.epsilon_hat, o.clip, o.weight_decay) for o in optimizers] == [
        (6e-4, 1e-7, True, 100.0, 0.0),
        (8e-5, 1e-7, True, 100.0, 0.0),
        (8e-5, 1e-7, True, 100.0, 0.0),
    ]
    assert (training.batch, training.length, training.prefill, training.frames) == (50, 50, 5_000, 5_000_000)
    # 100 updates per 1000 frames, which are 500 decisions
    assert training.updates / (training.round * config.env.repeat) == 0.1
    assert (config.evaluation.every, config.evaluation.episodes, config.evaluation.sampled) == (10_000, 1, True)
    assert (config.replay.windows, config.replay.ends) == ("episodes", False)


def test_dreamer_v1_has_the_published_protocol_of_atari():
    """The published code for discrete actions, and its wrapper of Atari; 100 updates per 1000 frames there too."""
    config = reverie.recipe("dreamer_v1", "paper", "ALE/Boxing-v5")
    model, behavior, training = config.model, config.behavior, config.training
    assert config.env.kwargs == ("grayscale=false", "life_loss=true", "full_actions=false")
    assert (model.signals["reward"].squash, model.signals["continuation"].discount, behavior.gamma) == ("tanh", 0.99, 1)
    assert (model.weights["divergence"], model.weights["continuation"], behavior.horizon) == (0.1, 10.0, 10)
    assert training.updates / (training.round * config.env.repeat) == 0.1
    elsewhere = reverie.recipe("dreamer_v1", "paper", "CartPole-v1")
    assert (elsewhere.env.kwargs, elsewhere.model.signals["reward"].squash) == ((), "none")


@pytest.mark.parametrize(
    ("name", "env_id", "episode"),
    [
        ("dreamer_v1", "dm_control/walker-walk-v0", 1_000),
        ("dreamer_v2", "dm_control/walker-walk-v0", 1_000),
        ("planet", "dm_control/walker-walk-v0", 1_000),
        ("planet", "dm_control/cartpole-swingup-v0", 1_000),
        ("dreamer_v1", "ALE/Boxing-v5", 7_000),
    ],
)
def test_the_published_replay_keeps_every_decision(name, env_id, episode):
    """Each episode has a column more than decisions, that of its last step."""
    config = reverie.recipe(name, "paper", env_id)
    frames, repeat = config.training.frames, config.env.repeat
    assert config.replay.capacity >= frames // repeat + frames // episode


def conv(a, b, k):
    """Parameters of a convolution."""
    return a * b * k * k + b


def dense(*sizes):
    """Parameters of dense layers."""
    return sum(a * b + b for a, b in pairwise(sizes))


def test_dreamer_v1_has_the_published_size():
    """Parameters, counted layer by layer for 6 actions."""
    config = reverie.recipe("dreamer_v1", "paper", "dm_control/walker-walk-v0")
    seen = EnvSpec({"pixels": Space((64, 64, 3), "uint8")}, ActionSpace(6, False), 2)
    with torch.device("meta"):
        model = WorldModel(config.model, seen)
        learner = config.behavior.build(seen, model.dynamics.feature_size)

    encoder = conv(3, 32, 4) + conv(32, 64, 4) + conv(64, 128, 4) + conv(128, 256, 4)
    gru = 3 * 200 * (200 + 200 + 2)
    dynamics = dense(30 + 6, 200) + gru + dense(200, 200, 60) + dense(200 + 1024, 200, 60)
    decoder = dense(230, 1024) + conv(1024, 128, 5) + conv(128, 64, 5) + conv(64, 32, 6) + conv(32, 3, 6)
    reward = dense(230, 400, 400, 1)
    assert sum(p.numel() for p in model.parameters()) == encoder + dynamics + decoder + reward
    assert sum(p.numel() for p in learner.policy.parameters()) == dense(230, 400, 400, 400, 400, 12)
    assert sum(p.numel() for p in learner.value.parameters()) == dense(230, 400, 400, 400, 1)


def test_the_default_size_is_laptop():
    assert inspect.signature(reverie.recipe).parameters["size"].default == "laptop"


def test_planet_has_the_published_numbers():
    """Hafner 2019, Sec. 4, App. A and Tab. 2, and the published code."""
    config = reverie.recipe("planet", "paper", "dm_control/cartpole-swingup-v0")
    model, planning, training = config.model, config.behavior, config.training
    assert (config.env.repeat, config.env.image_size, config.env.rendering) == (8, 64, "stock")
    assert (model.dynamics.deter, model.dynamics.hidden, model.dynamics.latent.size) == (200, 200, 30)
    assert model.dynamics.gate_bias == 1
    assert (model.signals["divergence"].free, model.signals["divergence"].variant) == (3.0, "element")
    assert model.weights == {"reconstruction": 1.0, "reward": 10.0, "divergence": 1.0}
    adam = model.optimizer
    assert (adam.lr, adam.eps, adam.epsilon_hat, adam.clip, adam.warmup) == (1e-3, 1e-4, True, 1000.0, 10_000 // 50)
    assert (model.dynamics.cell, model.encoder.bits, config.evaluation.sampled) == ("reset_first", 5, True)
    assert (model.signals["reward"].mlp.layers, model.signals["reward"].mlp.units) == (2, 100)
    planner = planning.planner
    assert (planner.horizon, planner.candidates, planner.elites, planner.iterations) == (12, 1000, 100, 10)
    assert (planner.min_std, planning.warm_start, planning.exploration) == (0, False, 0.3)
    # 5 random episodes, then 100 updates after each
    assert (training.prefill, training.round * config.env.repeat, training.updates) == (5000, 1000, 100)
    assert (training.batch, training.length) == (50, 50)


@pytest.mark.parametrize(
    ("env_id", "frames"),
    [
        ("dm_control/cartpole-balance-v0", 8),
        ("dm_control/reacher-easy-v0", 4),
        ("dm_control/cheetah-run-v0", 4),
        ("dm_control/ball_in_cup-catch-v0", 4),
        ("dm_control/cup_catch", 4),
        ("dm_control/finger-spin-v0", 2),
        ("dm_control/walker-walk-v0", 2),
        ("dm_control/hopper-hop-v0", 2),
    ],
)
def test_planet_has_the_published_action_repeat(env_id, frames):
    assert {reverie.recipe("planet", size, env_id).env.repeat for size in ("laptop", "paper")} == {frames}


def test_dreamer_v2_has_the_published_numbers_for_atari():
    """Hafner 2021, App. D, and the published code; a decision is four frames."""
    config = reverie.recipe("dreamer_v2", "paper", "ALE/Boxing-v5")
    model, behavior, training = config.model, config.behavior, config.training
    assert (config.env.repeat, config.env.image_size, config.env.kwargs) == (4, 64, ())
    assert (model.encoder.image.depth, model.encoder.image.activation) == (48, "elu")
    dynamics = model.dynamics
    assert (dynamics.deter, dynamics.hidden, dynamics.cell, dynamics.gate_bias) == (600, 600, "layer_norm", 1.0)
    assert (dynamics.latent.groups, dynamics.latent.classes) == (32, 32)
    divergence = model.signals["divergence"]
    assert (divergence.free, divergence.variant, divergence.balance) == (0.0, "mean", 0.8)
    assert model.signals["reward"].squash == "tanh"
    assert model.weights == {"reconstruction": 1.0, "reward": 1.0, "divergence": 0.1, "continuation": 5.0}
    networks = [model.signals[name].mlp for name in ("reward", "continuation")] + [behavior.value, behavior.policy.mlp]
    assert [(n.layers, n.units, n.activation) for n in networks] == [(4, 400, "elu")] * 4
    # The head carries the discount.
    assert (behavior.horizon, behavior.gamma, behavior.lambda_) == (15, 1.0, 0.95)
    assert model.signals["continuation"].discount == 0.999
    assert (behavior.reinforce, behavior.entropy, behavior.target_every, behavior.target_rate) == (None, 1e-3, 100, 1.0)
    assert behavior.policy.exploration == 0.0
    optimizers = (model.optimizer, behavior.actor_optimizer, behavior.value_optimizer)
    assert [(o.lr, o.eps, o.clip) for o in optimizers] == [
        (2e-4, 1e-5, 100.0),
        (4e-5, 1e-5, 100.0),
        (1e-4, 1e-5, 100.0),
    ]
    assert {(o.epsilon_hat, o.weight_decay, o.decay_by) for o in optimizers} == {(True, 1e-6, "fraction")}
    assert (training.batch, training.length, training.round, training.updates) == (16, 50, 16, 1)
    assert (training.frames, training.prefill) == (200_000_000, 4 * 50_000)
    assert (config.replay.capacity, config.replay.windows, config.replay.ends) == (2_000_000, "episodes", True)
    assert (config.evaluation.every, config.evaluation.sampled) == (1_000_000, True)


def test_a_run_of_atari_does_not_write_terabytes():
    """Checkpoints with weights and two moments of all, the two that stay, and the replay of 200 million frames."""
    config = reverie.recipe("dreamer_v2", "paper", "ALE/Boxing-v5")
    seen = EnvSpec({"pixels": Space((64, 64, 1), "uint8")}, ActionSpace(18, True), 4)
    with torch.device("meta"):
        model = WorldModel(config.model, seen)
        learner = config.behavior.build(seen, model.dynamics.feature_size)
    weights = sum(p.numel() for p in [*model.parameters(), *learner.parameters()])
    checkpoint = 3 * 4 * weights
    training, decisions = config.training, config.training.frames // config.env.repeat
    written = checkpoint * decisions // training.checkpoint_every + bytes_per_decision(seen) * decisions
    kept = 2 * checkpoint + bytes_per_decision(seen) * config.replay.capacity
    assert written < 300e9
    assert kept < 10e9


def test_dreamer_v2_has_the_published_numbers_for_deepmind_control():
    config = reverie.recipe("dreamer_v2", "paper", "dm_control/walker-walk-v0")
    model, behavior, training = config.model, config.behavior, config.training
    assert (config.env.repeat, model.dynamics.deter, model.dynamics.hidden) == (2, 200, 200)
    divergence = model.signals["divergence"]
    assert (divergence.free, divergence.balance, model.weights["divergence"]) == (1.0, 0.8, 1.0)
    assert "continuation" not in model.signals
    assert model.signals["reward"].squash == "none"
    assert (behavior.gamma, behavior.entropy, behavior.reinforce, behavior.target_every) == (0.99, 1e-4, None, 100)
    assert (behavior.policy.continuous, behavior.policy.min_std) == ("truncated_normal", 0.1)
    optimizers = (model.optimizer, behavior.actor_optimizer, behavior.value_optimizer)
    assert [o.lr for o in optimizers] == [3e-4, 8e-5, 8e-5]
    assert (training.round, training.updates, training.prefill, training.pretrain) == (5, 1, 2_000, 100)
    assert (training.frames, config.evaluation.every, config.evaluation.sampled) == (1_000_000, 20_000, True)
    assert (config.replay.windows, config.replay.ends) == ("episodes", False)
    assert config.replay.capacity < 510_000


def test_the_baselines_of_cfm_weigh_means_whatever_the_images_and_actions():
    """The published code adds means: of pixels, of dimensions and of the numbers of an action."""
    for env_id in ("reverie/Rope-v0", "reverie/Cloth-v0", "Pendulum-v1"):
        for size in recipes.SIZES:
            joint, autoencoder = (reverie.recipe(name, size, env_id).model for name in ("joint", "autoencoder"))
            dimensions = joint.dynamics.size
            assert joint.signals["inverse"].average
            assert joint.weights == {"inverse": 1.0, "prediction": 1 / dimensions}
            assert autoencoder.signals["reconstruction"].average
            assert autoencoder.weights == {"reconstruction": 4.0, "prediction": 1 / dimensions}
            assert joint.optimizer.decay_by == ("gradient" if size == "paper" else "rate")


@pytest.mark.parametrize("size", ["laptop", "paper"])
def test_discrete_actions_get_reinforce(size):
    for discrete in (True, False):
        behavior = reverie.recipe("dreamer_v2", size, "CartPole-v1").behavior
        with torch.device("meta"):
            learner = behavior.build(EnvSpec({}, ActionSpace(3, discrete), 1), 4)
        assert learner.reinforce == float(discrete)


@pytest.mark.parametrize("name", ["dreamer_v1", "dreamer_v2", "planet"])
@pytest.mark.parametrize("size", ["tiny", "laptop", "paper"])
def test_atari_holds_an_action_for_four_frames(name, size):
    assert reverie.recipe(name, size, "ALE/Boxing-v5").env.repeat == 4


def test_dreamer_v2_has_the_published_size():
    """Parameters of the Atari model, counted layer by layer: the published 20 million with its policy and value."""
    config = reverie.recipe("dreamer_v2", "paper", "ALE/Boxing-v5")
    seen = EnvSpec({"pixels": Space((64, 64, 1), "uint8")}, ActionSpace(18, True), 4)
    with torch.device("meta"):
        model = WorldModel(config.model, seen)
        learner = config.behavior.build(seen, model.dynamics.feature_size)

    features, embed = 600 + 1024, 4 * 8 * 48
    encoder = conv(1, 48, 4) + conv(48, 96, 4) + conv(96, 192, 4) + conv(192, 384, 4)
    gru = (600 + 600) * 1800 + 2 * 1800
    dynamics = dense(1024 + 18, 600) + gru + dense(600, 600, 1024) + dense(600 + embed, 600, 1024)
    decoder = dense(features, 1536) + conv(1536, 192, 5) + conv(192, 96, 5) + conv(96, 48, 6) + conv(48, 1, 6)
    head = dense(features, 400, 400, 400, 400, 1)
    assert sum(p.numel() for p in model.parameters()) == encoder + dynamics + decoder + 2 * head
    assert sum(p.numel() for p in learner.policy.parameters()) == dense(features, 400, 400, 400, 400, 18)
    assert sum(p.numel() for p in learner.value.parameters()) == head


V3_SIZES = ("1m", "12m", "25m", "50m", "100m", "200m", "400m")
WALKER = EnvSpec({"pixels": Space((64, 64, 3), "uint8")}, ActionSpace(6, False), 1)
PROPRIO = EnvSpec(
    {name: Space((size,), "float32") for name, size in (("orientations", 14), ("height", 1), ("velocity", 9))},
    ActionSpace(6, False),
    1,
)
ATARI = EnvSpec({"pixels": Space((64, 64, 3), "uint8")}, ActionSpace(18, True), 4)


def v3_parts(size, seen, recipe="dreamer_v3"):
    """Parameters of each part, without the slow value."""
    config = reverie.recipe(recipe, size, "dm_control/walker-walk-v0")
    with torch.device("meta"):
        model = config.model.build(seen)
        learner = config.behavior.build(seen, model.dynamics.feature_size)
    parts = {"encoder": model.encoder, "dynamics": model.dynamics, **model.signals}
    parts |= {"policy": learner.policy, "value": learner.value}
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize(
    ("seen", "totals"),
    [
        (WALKER, [686_846, 10_494_158, 23_489_326, 41_650_062, 93_468_238, 165_948_686, 372_896_398]),
        (PROPRIO, [640_867, 9_738_019, 21_782_947, 38_612_003, 86_622_499, 153_769_507, 345_473_059]),
        (ATARI, [688_004, 10_498_772, 23_496_244, 41_659_284, 93_482_068, 165_967_124, 372_924_052]),
    ],
    ids=["walker pixels", "walker proprio", "18 actions"],
)
def test_dreamer_v3_has_the_published_sizes(seen, totals):
    """Computed by hand from the published layers; 640,867 is pinned by another implementation too."""
    assert [sum(v3_parts(size, seen).values()) for size in V3_SIZES] == totals


def test_dreamer_v3_has_the_published_size_of_every_part():
    assert v3_parts("1m", PROPRIO) == {
        "encoder": 10_112, "reconstruction": 51_096, "dynamics": 364_416, "reward": 57_663, "continuation": 41_153,
        "policy": 50_316, "value": 66_111,
    }  # fmt: skip
    assert v3_parts("paper", WALKER) == v3_parts("12m", WALKER)


def test_the_published_preset_has_one_more_convolution_at_full_size():
    """Five layers with 1, 2, 3, 4, 4 times 16 channels; RMS normalization has one number a channel."""
    now, then = v3_parts("12m", WALKER), v3_parts("12m", WALKER, "dreamer_v3_published")
    widths = [3, 16, 32, 48, 64, 64]
    encoder = sum(conv(a, b, 5) + b for a, b in pairwise(widths))
    assert then["encoder"] == encoder
    assert {name: then[name] - now[name] for name in now if name not in ("encoder", "reconstruction")} == dict.fromkeys(
        ("dynamics", "reward", "continuation", "policy", "value"), 0
    )


def test_dreamer_v3_has_the_published_numbers():
    """Hafner 2023, and its code."""
    config = reverie.recipe("dreamer_v3", "12m", "dm_control/walker-walk-v0")
    model, behavior, training = config.model, config.behavior, config.training
    assert (config.env.repeat, config.env.count, training.ratio) == (1, 16, 256)
    assert (training.batch, training.length, training.starts, training.prefill) == (16, 64, 1024, 0)
    assert (training.pretrain, config.replay.latents, config.replay.online) == (1, True, True)
    assert model.weights == {
        "reconstruction": 1.0, "reward": 1.0, "continuation": 1.0, "prior": 1.0, "posterior": 0.1
    }  # fmt: skip
    sides = [model.signals[name] for name in ("prior", "posterior")]
    assert [(side.free, side.variant, side.balance) for side in sides] == [(1.0, "element", 1.0), (1.0, "element", 0.0)]
    latent = model.dynamics.latent
    assert (latent.groups, latent.classes, latent.unimix, model.dynamics.blocks) == (32, 16, 0.01, 8)
    heads = [
        model.signals["reward"].mlp.mlp,
        model.signals["continuation"].mlp,
        behavior.policy.mlp,
        behavior.value.mlp,
    ]
    assert [(head.layers, head.output_scale) for head in heads] == [(1, 0.0), (1, 1.0), (3, 0.01), (3, 0.0)]
    assert {(head.units, head.activation, head.norm, head.init) for head in heads} == {
        (256, "silu", "rms", "truncated_normal")
    }
    assert model.signals["continuation"].discount == 1 - 1 / 333
    assert (behavior.horizon, behavior.gamma, behavior.lambda_, behavior.entropy) == (15, 1.0, 0.95, 3e-4)
    assert (behavior.percentiles, behavior.range_rate) == ((5.0, 95.0), 0.01)
    assert (behavior.slow_rate, behavior.slow_weight, behavior.replay_weight) == (0.02, 1.0, 0.3)
    policy = behavior.policy
    assert (policy.min_std, policy.unimix, policy.exploration, policy.continuous) == (0.1, 0.01, 0.0, "clipped_normal")
    rule = model.optimizer
    assert (rule.lr, rule.eps, rule.momentum, rule.decay, rule.clip, rule.warmup) == (
        4e-5,
        1e-20,
        0.9,
        0.999,
        0.3,
        1000,
    )
    published = reverie.recipe("dreamer_v3_published", "12m", "dm_control/walker-walk-v0")
    assert (published.env.repeat, published.training.ratio, published.behavior.start) == (2, 512, "recorded")
    assert (published.model.dynamics.init, published.model.encoder.image.full_size) == ("normal", True)
    atari = reverie.recipe("dreamer_v3", "200m", "ALE/Pong-v5")
    assert (atari.env.repeat, atari.env.image_size, atari.env.count, atari.training.ratio) == (4, 96, 16, 32)
    assert atari.training.frames == 200_000_000


def test_dreamer_v3_laptop_has_one_set_of_hyper_parameters():
    """Environments differ in how they are played alone: images, action repeat, rendering."""
    ids = (
        "Pendulum-v1",
        "CartPole-v1",
        "MinAtar/Breakout-v1",
        "dm_control/walker-walk-v0",
        "ALE/Pong-v5",
        "my:Thing-v0",
    )
    configs = [reverie.recipe("dreamer_v3", "laptop", env_id) for env_id in ids]
    assert len({repr(replace(config, env=configs[0].env)) for config in configs}) == 1
    names = {name for config in configs for name, x in vars(config.env).items() if x != vars(configs[0].env)[name]}
    assert names <= {"id", "image_size", "repeat", "rendering"}
