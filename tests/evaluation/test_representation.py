"""Features with known measures: the true state, half of it, and a constant."""

import json

import numpy as np
import pytest
import torch
from dmc_needed import needs_mujoco
from mocks import AddAction, Value, spec
from torch import nn

from reverie.cli import command_line as main
from reverie.data.replay import Replay, ReplayConfig
from reverie.envs.base import EnvConfig
from reverie.evaluation import representation
from reverie.evaluation.ground_truth import GroundTruth, ground_truth, link_directions
from reverie.evaluation.probes import rank_correlation
from reverie.models.world_model import WorldModel
from reverie.spaces import EnvSpec, Space
from reverie.types import Trace
from reverie_worlds.deformable import invariants, points_ground_truth, symmetric_distance

TRUE = GroundTruth("true")


class Walk(WorldModel):
    """The features are `see` of the place. Predictions are off by `error`."""

    def __init__(self, see, error: float = 0.0) -> None:
        nn.Module.__init__(self)
        self.see, self.error, self.dynamics = see, error, AddAction(2)

    def noise(self, batch, length, generator):
        return torch.zeros(batch, length, 0)

    def trace(self, batch, noise):
        z = self.see(batch.obs["true"])
        before = torch.cat([torch.zeros_like(z[:, :1]), z[:, :-1]], 1)
        led_here = torch.cat([torch.zeros_like(batch.action[:, :1]), batch.action[:, :-1]], 1)
        prior = Value(before + self.see(led_here) + self.error)
        return Trace(batch, {}, z, prior, Value(z), z, self.dynamics, None)


class Walked:
    """A place of two numbers, moved by the action, in episodes of ten columns."""

    def __init__(self) -> None:
        self.spec = spec(vector=0)
        kept = EnvSpec({"true": Space((2,), "float32")}, self.spec.action, 1)
        self.train, self.test = (self.part(kept, seed) for seed in (0, 1))

    def part(self, kept: EnvSpec, seed: int) -> Replay:
        found = Replay(ReplayConfig(800), kept, torch.device("cpu"), torch.Generator())
        generator = torch.Generator().manual_seed(seed)
        for _ in range(80):
            action = 2 * torch.rand(10, 2, generator=generator) - 1
            start = torch.randn(1, 2, generator=generator) * torch.tensor([3.0, 1.0])
            place = start + torch.cat([torch.zeros(1, 2), action.cumsum(0)[:-1]])
            first, last = torch.zeros(10, dtype=torch.bool), torch.zeros(10, dtype=torch.bool)
            first[0] = last[-1] = True
            action[-1] = 0
            found.add(
                {
                    "obs/true": place,
                    "action": action,
                    "reward": torch.zeros(10),
                    "is_first": first,
                    "is_last": last,
                    "is_terminal": last,
                }
            )
        return found


def measure(see, error: float = 0.0) -> representation.Representation:
    return representation.measure(Walk(see, error), Walked(), 7, TRUE)  # windows that cross the episodes' ends


def test_features_that_are_the_true_state():
    found = measure(lambda x: x)
    assert found.values["probe"] == pytest.approx(1, abs=1e-3)
    assert found.values["inverse"] == pytest.approx(1, abs=1e-2)
    assert found.values["rank_correlation"] < 1  # true distances are in units of each number's standard deviation
    assert found.values["error_to_copy"] == pytest.approx(0, abs=1e-6)
    assert found.values["error_to_variance"] == pytest.approx(0, abs=1e-6)
    assert found.probes == pytest.approx([1, 1], abs=1e-3)
    assert found.std[0] > 2 * found.std[1]
    assert found.values["dimensions"] == 2


def test_features_of_equal_spread_keep_the_order_of_distances():
    spread = torch.from_numpy(measure(lambda x: x).std)
    found = measure(lambda x: 100 * x / spread)
    assert found.values["rank_correlation"] == pytest.approx(1, abs=1e-3)
    assert found.values["rankme"] == pytest.approx(2, abs=1e-2)


def test_features_that_are_half_of_the_true_state():
    """One number twice: one direction, which predicts one number and one part of the action."""
    found = measure(lambda x: x[..., :1].expand(*x.shape[:-1], 2))
    assert found.values["rankme"] == pytest.approx(1, abs=1e-3)
    assert found.values["participation_ratio"] == pytest.approx(1, abs=1e-3)
    assert found.spectrum[1] == pytest.approx(0, abs=1e-6)
    assert found.probes == pytest.approx([1, 0], abs=0.1)
    assert found.values["inverse"] == pytest.approx(0.5, abs=0.05)


def test_prediction_errors():
    """Off by one in each of two numbers. A step is `E a^2 = 1/3` in each: 3^1/2 times the error of a copy."""
    found = measure(lambda x: x, error=1.0)
    assert found.values["error_to_copy"] == pytest.approx(3**0.5, rel=0.05)
    assert found.values["error_to_variance"] == pytest.approx(2 / np.square(found.std).sum(), rel=1e-2)


def test_constant_features_have_no_ratios():
    found = measure(lambda x: torch.ones_like(x))
    assert np.isnan(found.values["error_to_copy"])
    assert np.isnan(found.values["rank_correlation"])
    assert found.values["std"] == 0
    assert found.values["probe"] < 0.05


def test_without_ground_truth_there_is_no_probe():
    found = representation.measure(Walk(lambda x: x), Walked(), 5)
    assert "probe" not in found.values
    assert len(found.probes) == 0


def test_rank_correlation_against_scipy():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    x = rng.integers(0, 9, 60).astype(float)  # with ties
    y = x + rng.normal(size=60)
    assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y).statistic)
    assert rank_correlation(x, np.exp(x)) == pytest.approx(1)
    assert np.isnan(rank_correlation(x, np.ones(60)))


def test_symmetric_points_are_compared_in_their_best_order():
    order = np.arange(4)
    judge = points_ground_truth(np.stack([order, order[::-1]]), 4)
    points = np.random.default_rng(0).normal(size=(3, 4, 2))
    flipped = points[:, ::-1]
    assert judge.distance is not None
    assert judge.distance(points.reshape(3, 8), flipped.reshape(3, 8)) == pytest.approx(np.zeros(3))
    assert judge.targets(points.reshape(3, 8)) == pytest.approx(judge.targets(flipped.reshape(3, 8)))
    moved = points + [3.0, 4.0]
    assert symmetric_distance(points, moved, order[None]) == pytest.approx(np.full(3, 20.0))
    assert judge.targets(points.reshape(3, 8)).shape == invariants(points, np.stack([order, order[::-1]])).shape


@needs_mujoco()
def test_an_environment_offers_its_own_ground_truth():
    rope = ground_truth(EnvConfig("reverie/Rope-v0"), ["progress", "state"])
    state = np.random.default_rng(0).normal(size=(2, 50))
    reverse = state.reshape(2, 25, 2)[:, ::-1].reshape(2, 50)
    assert rope.name == "state"
    assert rope.distance(state, reverse) == pytest.approx(np.zeros(2))
    assert ground_truth(EnvConfig("reverie/Rope-v0"), ["progress"]) == GroundTruth("progress")
    assert ground_truth(EnvConfig("reverie/Rope-v0", kwargs=("goal=knot",)), ["state"]) == GroundTruth("state")


def test_the_first_privileged_observation_is_the_ground_truth():
    assert ground_truth(EnvConfig("Pendulum-v1"), ["state"]) == GroundTruth("state")
    assert ground_truth(None, ["b", "a"]) == GroundTruth("b")
    assert ground_truth(EnvConfig("Pendulum-v1"), []) is None


@pytest.mark.slow
def test_a_run_writes_the_measures_of_its_features(tmp_path, capsys):
    folder = tmp_path / "run"
    line = f"train state_space --size tiny --run {folder} --data.privileged state --data.train 100 --data.test 30"
    line += " --training.updates 4"
    assert main.main(line.split()) == 0
    output = capsys.readouterr().out
    assert "open loop, image error" in output
    assert "linear probe of the true state" in output
    written = json.loads((folder / "evaluation.json").read_text())
    assert 0 < written["scale"] < 100
    assert len(written["by_dimension"]["std"]) == written["dimensions"]
    assert len(written["by_dimension"]["probes"]) == 3  # Pendulum's state
    assert {"bound", "rankme", "alarms"} <= written.keys()
    assert (folder / "representation.png").stat().st_size > 1000


def test_the_ground_truth_of_an_arm_is_the_directions_of_its_links():
    """Angles that look the same give the same targets. Both links' directions are relative to the table."""
    known = ground_truth(EnvConfig("dm_control/reacher-easy-v0"), ["position"])
    angles = np.array([[0.3, 0.5], [0.3 + 2 * np.pi, 0.5], [np.pi / 2, -np.pi / 2]], np.float32)
    found = known.targets(angles)
    assert known.name == "position"
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    np.testing.assert_allclose(found[0], [np.cos(0.3), np.cos(0.8), np.sin(0.3), np.sin(0.8)], atol=1e-5)
    np.testing.assert_allclose(found[2], [0, 1, 1, 0], atol=1e-5)
    assert known.targets is link_directions
    walker = ground_truth(EnvConfig("dm_control/walker-walk-v0"), ["position"])
    assert np.array_equal(walker.targets(angles), angles)
