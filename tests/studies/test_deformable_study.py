"""The study of deformables: its tables on made-up numbers, and the tiny study from end to end."""

from types import SimpleNamespace

import pytest

from studies.deformable import run as deformable
from studies.deformable.report import distances, ranking, remaining


def one(distance: float, success: float = 0.0, deviation: float = 0.1, episodes: int = 100) -> dict:
    result = {"distance": distance, "deviation": deviation, "success": success, "episodes": episodes}
    return result | {"distance_by_action": [5.0, distance]}


MADE_UP = {
    "random": {"0": {"horizontal": one(4.0), "random": one(6.0)}},
    "oracle": {"0": {"horizontal": one(0.4), "random": one(0.6, episodes=40)}},
    "autoencoder": {"0": {"horizontal": one(2.0), "random": one(3.0, deviation=0.25)}},
    "naive": {"0": {"horizontal": one(4.4), "random": one(6.0)}},
    "cfm": {
        "0": {"horizontal": one(0.8, 0.5), "random": one(1.2, 0.5)},
        "1": {"horizontal": one(1.2, 1.0), "random": one(1.8, 1.0)},
    },
}


def test_distances_are_means_over_seeds():
    rows = distances("rope", MADE_UP).splitlines()
    assert rows[0] == "|  | horizontal | random | success |"
    assert "| CFM, 2 seeds | 1.00 ± 0.20 (0.58) | 1.50 ± 0.30 (3.08) | 75 % |" in rows
    assert "| oracle: true simulator, true distance, 40 episodes | 0.40 ± 0.10 | 0.60 ± 0.10 | 0 % |" in rows
    assert "| autoencoder | 2.00 ± 0.10 (1.72) | 3.00 ± 0.25 (3.24) | 0 % |" in rows


def test_remaining_distances_and_ties():
    shares = {"oracle": 0.1, "autoencoder": 0.5, "naive": 1.05, "cfm": 0.25}
    assert remaining(MADE_UP) == pytest.approx(shares)
    near = MADE_UP | {"cfm": {"0": {"horizontal": one(2.1), "random": one(2.9)}}}
    rows = ranking({"rope": MADE_UP, "cloth-randomized": near}).splitlines()
    assert rows[0] == "|  | rope | cloth, randomized |"
    assert "| autoencoder | 50 % | 50 % = |" in rows
    assert "| CFM | 25 % | 50 % |" in rows
    assert "| naive forward | 105 % | 105 % |" in rows


def test_every_method_is_a_run_of_its_own(monkeypatch):
    monkeypatch.setattr(deformable.DatasetConfig, "manifest", lambda self: SimpleNamespace())
    dataset = deformable.DatasetConfig("somewhere")
    cloth = deformable.CONDITIONS[1]
    for size in deformable.SIZES:
        methods = deformable.methods(size, cloth)
        made = {method: deformable.config(method, size, cloth, dataset, 3) for method in (*methods, "cfm_published")}
        assert len({repr(made[method].model) for method in methods}) == len(methods)
        assert all(config.seed == 3 and config.data == dataset and config.behavior for config in made.values())
    published = made["cfm_published"]
    assert (published.training.batch, published.training.length, published.model.dynamics.size) == (128, 2, 8)
    assert published.training.updates == 30 * 200_000 // 128


@pytest.mark.slow
def test_the_tiny_study_runs_and_resumes(run_tiny, tmp_path):
    pytest.importorskip("mujoco")
    numbers, _ = run_tiny("deformable")
    rope = numbers["conditions"]["rope"]
    assert set(rope) == {"random", "oracle", "naive", "cfm"}
    assert rope["oracle"]["0"]["horizontal"]["distance"] < rope["random"]["0"]["horizontal"]["distance"]
    assert (tmp_path / "rope-cfm-horizontal.png").exists()
    again, messages = run_tiny("deformable")
    assert again == numbers
    assert not any("towards" in message for message in messages)
