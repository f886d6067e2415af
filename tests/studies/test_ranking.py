"""Ranking of plans near the top of Pendulum: by the true model, and by wrong ones."""

from dataclasses import replace

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from reverie.envs import EnvConfig
from reverie.types import Batch
from studies.latents import ranking
from studies.planners.true_pendulum import StateReward, TrueModel

ENV = EnvConfig("Pendulum-v1", image_size=8, repeat=2, time_limit=60)


@pytest.fixture(scope="module")
def episodes() -> Batch:
    batch = ranking.balanced_pole(ENV, episodes=3, seed=0)
    # The true model embeds nothing but the state.
    return replace(batch, obs={"state": batch.obs["state"]})


@pytest.mark.slow  # the episodes take a planner 3 s
def test_the_pole_is_held_and_disturbed(episodes):
    assert episodes.obs["state"].shape == (3, 31, 3)
    assert episodes.is_first.sum(1).tolist() == [1, 1, 1]
    where = ranking.near_the_top(episodes)
    cos, sin, speed = episodes.obs["state"].flatten(0, 1)[where].unbind(-1)
    assert len(where) > 10
    assert (torch.atan2(sin, cos).abs() < ranking.TOP[0]).all()
    assert (speed.abs() < ranking.TOP[1]).all()
    assert (where % 31 >= ranking.CONTEXT["pendulum"]).all()
    assert speed.std() > 0.1


@pytest.mark.slow  # the episodes take a planner 3 s
def test_the_true_model_ranks_all_plans(episodes):
    result = ranking.ranking_accuracy(TrueModel(2), episodes, ENV, num_samples=0, moments=10, seed=0)
    assert result["correlation"] == pytest.approx(1.0, abs=1e-5)
    assert result["overestimation"] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.slow  # the episodes take a planner 3 s
def test_wrong_models_overestimate_or_misrank(episodes):
    class Optimist(StateReward):
        """Predicts 2 more than the true reward."""

        def predict_reward(self, features: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b"]:
            return super().predict_reward(features) + 2.0

    class Inverted(StateReward):
        """Predicts the negative of the true reward."""

        def predict_reward(self, features: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b"]:
            return -super().predict_reward(features)

    model = TrueModel(2)
    model.signals["reward"] = Optimist()
    result = ranking.ranking_accuracy(model, episodes, ENV, num_samples=0, moments=10, seed=0)
    assert result["correlation"] == pytest.approx(1.0, abs=1e-5)
    assert result["overestimation"] == pytest.approx(2.0 * ranking.HORIZON, rel=1e-4)
    model.signals["reward"] = Inverted()
    result = ranking.ranking_accuracy(model, episodes, ENV, num_samples=0, moments=10, seed=0)
    assert result["correlation"] == pytest.approx(-1.0, abs=1e-5)


def test_correlation_of_rows():
    one = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])
    other = torch.tensor([[2.0, 4.0, 6.0], [3.0, 1.0, 1.0], [1.0, 2.0, 3.0]])
    expected = [1.0, float(torch.corrcoef(torch.stack([one[1], other[1]]))[0, 1]), 0.0]
    assert ranking.correlation(one, other).tolist() == pytest.approx(expected, abs=1e-6)
