"""Measures of predictions in worlds where the right number is known."""

import math

import pytest
import torch
from mocks import AddAction, Value, model_config, random_batch, spec
from torch import nn

from reverie.dynamics.rssm import RNNConfig
from reverie.evaluation import prediction
from reverie.math.distributions import isotropic_log_prob
from reverie.models.world_model import WorldModel
from reverie.types import Batch

STD = 0.1


class Coin(AddAction):
    """Each step goes up or down by one, as the sign of the noise. The posterior is the observation."""

    def __init__(self, fair: bool) -> None:
        super().__init__(1)
        self.fair = fair

    def predict(self, state, action, noise):
        return Value(state.value + (noise.sign() if self.fair and noise is not None else 0))

    def correct(self, prior, embed, noise):
        return Value(embed)


class RecordedReward(nn.Module):
    def predict_reward(self, features):
        return 2.0 * features[..., 0]

    def to_env_units(self, reward):
        return reward / 2.0


class RecordedState(nn.Module):
    def reconstruct(self, features):
        return {"state": features}

    def log_prob(self, name, obs, mean):
        return isotropic_log_prob(obs, mean, STD)


class Known(WorldModel):
    def __init__(self, fair: bool) -> None:
        nn.Module.__init__(self)
        self.dynamics = Coin(fair)
        self.signals = {"picture": RecordedState(), "return": RecordedReward()}
        self.normalize = nn.Identity()
        self.encoder = lambda obs: obs["state"]


def walk(steps: int = 6) -> Batch:
    """One walk: up, up, down, ... The reward is the place."""
    path = torch.tensor([0.0, 1, 2, 1, 2, 3])[:steps, None]
    flags = torch.zeros(1, steps, dtype=torch.bool)
    return Batch({"state": path[None]}, torch.zeros(1, steps, 1), path[None, :, 0], flags, flags, flags)


def test_two_equally_likely_futures_give_one_bit_of_surprise():
    found = prediction.surprise(Known(True), walk(), samples=2_000)
    assert found == pytest.approx([math.log(2)] * 5, abs=0.1)


def test_the_mean_of_two_futures_gives_the_error_of_a_full_step():
    found = prediction.surprise(Known(False), walk(), samples=3)
    assert found == pytest.approx([1 / (2 * STD**2)] * 5, rel=1e-5)


def test_surprise_grows_with_the_number_of_futures():
    """After two steps the walk is at 0 with probability 1/2, at 2 and -2 with 1/4 each. The mean is the start."""
    found = prediction.ahead(Known(True), walk(), context=1, samples=4_000)
    assert found.surprise[:2] == pytest.approx([math.log(2), math.log(4)], abs=0.1)
    assert found.reward_error == pytest.approx([1, 2, 1, 2, 3], abs=0.15)
    sure = prediction.ahead(Known(False), walk(), context=3, samples=1)
    assert sure.reward_error == pytest.approx([1, 0, 1])  # the prediction stays at 2, the third frame
    assert sure.surprise == pytest.approx([50, 0, 50], rel=1e-4, abs=1e-4)


def test_only_a_dynamics_with_noise_has_a_bound():
    seen = spec(image=16)
    batch = random_batch(seen)
    torch.manual_seed(0)
    model = model_config().build(seen)
    found = prediction.bound(model, batch)
    assert found["bound"] == pytest.approx(found["reconstruction"] - found["divergence"])
    generator = torch.Generator().manual_seed(0)
    losses = model.losses(model.trace(batch, model.noise(3, 6, generator)))
    assert found["reconstruction"] == pytest.approx(-losses["reconstruction"].mean().item())
    config = model_config()
    point = type(config)(config.encoder, RNNConfig(8, 8, 4), config.signals, config.weights)
    assert "bound" not in prediction.bound(point.build(seen), batch)


def test_sentence_and_warning():
    values = {"reconstruction": -1.0, "divergence": 2.0, "image_error": 3.0, "copy_error": 2.0, "reward_error": 0.5}
    assert "latent distance 2.00" in prediction.sentence(values)
    assert "bound -3.00 nats a step" in prediction.sentence(values | {"bound": -3.0})
    assert "Repeating the last frame" in prediction.warning(values)
    assert prediction.warning(values | {"copy_error": 4.0}) is None
