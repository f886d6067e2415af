"""What `bench/scores.py` copies from a sweep."""

import json

import pytest
from fake_runs import sweep


@pytest.fixture
def scores(bench, monkeypatch, tmp_path):
    import scores

    monkeypatch.setattr(scores, "RESULTS", tmp_path)
    return scores


def test_complete_runs_are_copied_and_others_counted(scores, tmp_path):
    complete = {"returns": [(200, -900.0), (400, -500.0)], "evaluations": ((400, -450.0),), "seconds": ((400, 61.4),)}
    cells = {("dreamer_v1", "Pendulum-v1", 0): complete, ("dreamer_v1", "Pendulum-v1", 1): complete | {"done": False}}
    folder = sweep(tmp_path / "sweep", {name: options | {"frames": 400} for name, options in cells.items()})
    (final,) = folder.rglob("evaluation.json")
    final.write_text(json.dumps({"mean": -440.0, "returns": [-430.0, -450.0]}))
    scores.write("mine", {"commands": ["reverie sweep"], **scores.collect([folder])})
    found = json.loads((tmp_path / "mine.json").read_text())
    assert (found["cells"], found["complete"]) == (2, 1)
    (only,) = found["runs"]
    assert only == {
        "method": "dreamer_v1", "task": "Pendulum-v1", "seed": 0, "mean": -440.0, "returns": [-430.0, -450.0],
        "frames": 400, "decisions": 400, "updates": 0, "seconds": 61, "evaluations": [[400, -450.0]],
        "episodes": [[200, -900.0], [400, -500.0]],
    }  # fmt: skip
