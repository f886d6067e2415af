"""Trust in scores near the top of Pendulum: a model that is right is trusted wholly, one that is wrong is found out."""

from dataclasses import replace

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from reverie.envs import EnvConfig
from reverie.types import Batch
from studies.latents import balance
from studies.planners.true_pendulum import Arrived, TrueModel

ENV = EnvConfig("Pendulum-v1", image_size=8, repeat=2, time_limit=60)


@pytest.fixture(scope="module")
def seen() -> Batch:
    batch = balance.balanced(ENV, episodes=3, seed=0)
    # The true model embeds nothing but the state.
    return replace(batch, obs={"state": batch.obs["state"]})


def test_the_pole_is_held_and_disturbed(seen):
    assert seen.obs["state"].shape == (3, 31, 3)
    assert seen.is_first.sum(1).tolist() == [1, 1, 1]
    where = balance.near_the_top(seen)
    cos, sin, speed = seen.obs["state"].flatten(0, 1)[where].unbind(-1)
    assert len(where) > 10
    assert (torch.atan2(sin, cos).abs() < balance.TOP[0]).all()
    assert (speed.abs() < balance.TOP[1]).all()
    assert (where % 31 >= balance.CONTEXT["pendulum"]).all()
    assert speed.std() > 0.1


def test_the_truth_is_trusted(seen):
    found = balance.trust(TrueModel(2), seen, ENV, futures=0, moments=10, seed=0)
    assert found.order == pytest.approx(1.0, abs=1e-5)
    assert found.excess == pytest.approx(0.0, abs=1e-3)


def test_a_model_that_is_wrong_is_found_out(seen):
    class Kind(Arrived):
        """Promises 2 a decision more than comes."""

        def predict_reward(self, features: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b"]:
            return super().predict_reward(features) + 2.0

    class Upside(Arrived):
        """Loves to fall."""

        def predict_reward(self, features: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b"]:
            return -super().predict_reward(features)

    model = TrueModel(2)
    model.signals["reward"] = Kind()
    kind = balance.trust(model, seen, ENV, futures=0, moments=10, seed=0)
    assert kind.order == pytest.approx(1.0, abs=1e-5)
    assert kind.excess == pytest.approx(2.0 * balance.HORIZON, rel=1e-4)
    model.signals["reward"] = Upside()
    assert balance.trust(model, seen, ENV, futures=0, moments=10, seed=0).order == pytest.approx(-1.0, abs=1e-5)


def test_correlation_of_rows():
    one = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])
    other = torch.tensor([[2.0, 4.0, 6.0], [3.0, 1.0, 1.0], [1.0, 2.0, 3.0]])
    expected = [1.0, float(torch.corrcoef(torch.stack([one[1], other[1]]))[0, 1]), 0.0]
    assert balance.correlation(one, other).tolist() == pytest.approx(expected, abs=1e-6)
