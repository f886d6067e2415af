"""The benchmark of learning curves, on the smallest recipe."""

import json
import sys
from pathlib import Path

import pytest
import scripts

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def learning(tmp_path, monkeypatch):
    module = scripts.load(BENCH / "learning.py")
    for folder in ("bench/results", "docs/images"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(module, "HERE", tmp_path / "bench")
    monkeypatch.chdir(tmp_path)
    return module


@pytest.mark.slow
def test_learning_curves_of_two_recipes(learning, tmp_path, monkeypatch, capsys):
    few = ["--size", "tiny", "--set", "training.frames=500", "env.time_limit=50"]
    for line in (["first", "--seeds", "0", "1", *few], ["second", "--recipe", "planet", *few, "--beside", "first"]):
        monkeypatch.setattr(sys, "argv", ["learning.py", *line])
        learning.main()
    assert "second: mean" in capsys.readouterr().out
    result = json.loads((tmp_path / "bench" / "results" / "first.json").read_text())
    assert [seed["seed"] for seed in result["seeds"]] == [0, 1]
    assert all(seed["frames"] == 500 and seed["updates"] > 0 for seed in result["seeds"])
    assert (tmp_path / "docs" / "images" / "second_curves.png").stat().st_size > 1000


def test_two_results_of_one_recipe_have_their_names_as_labels(learning, tmp_path, monkeypatch):
    seed = {"seed": 0, "frames": 10, "mean": 1.0, "episodes": [[10, 1.0]], "evaluations": [[5, 0.5]]}
    result = {"config": {"recipe": "dreamer_v2"}, "env": "Some-v0", "seeds": [seed]}
    labels = []
    monkeypatch.setattr(learning, "plot", lambda path, lines, *_, **__: labels.append(list(lines)))
    for other, recipe in (("wide", "dreamer_v2"), ("old", "dreamer_v1")):
        beside = result | {"config": {"recipe": recipe}}
        (tmp_path / "bench" / "results" / f"{other}.json").write_text(json.dumps(beside))
    learning.draw("narrow", result, ["old"])
    learning.draw("narrow", result, ["wide", "old"])
    assert labels[0] == ["dreamer_v2, seed 0", "dreamer_v1, seed 0"]
    assert labels[1] == ["narrow, seed 0", "wide, seed 0", "old, seed 0"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--set foo=1", "There is no setting `foo`"),
        ("--set threads", "'threads' is not of the form LEAF=VALUE"),
        ("--beside nothing", "--beside nothing: there is no "),
        ("--env NoSuch-v0", "NoSuch-v0"),
    ],
)
def test_mistakes_are_one_sentence_before_training(learning, monkeypatch, capsys, line, sentence):
    monkeypatch.setattr(sys, "argv", ["learning.py", "first", "--size", "tiny", *line.split()])
    with pytest.raises(SystemExit, match="2"):
        learning.main()
    assert sentence in capsys.readouterr().err.splitlines()[-1]


def test_thin_and_smooth(learning):
    assert learning.thin([[i, float(i)] for i in range(1, 8)], most=3) == [(3, 2.0), (6, 5.0), (7, 7.0)]
    assert learning.thin([[4, 1.0], [9, 2.0]]) == [(4, 1.0), (9, 2.0)]
    assert learning.smooth([[10, 1.0], [20, 3.0], [30, 5.0]], count=2) == [(20, 2.0), (30, 4.0)]
