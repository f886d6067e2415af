"""The study of policies: its verdicts on made-up numbers, and the tiny study from end to end."""

import json

import pytest
from PIL import Image

from studies import run
from studies.policies import run as policies
from studies.policies.report import arrival, conclusion, curve


def made_up(*returns: float, scale: int = 1) -> dict:
    points = [{"steps": scale * i, "seconds": 2.0 * i, "return": x, "std": 1.0} for i, x in enumerate(returns)]
    return {"points": points, "imagined_return": 0.0, "updates": len(returns) - 1}


NUMBERS = {
    "frames": 500,
    "played": {"0": made_up(-100.0, -90.0, -70.0, scale=5_000)},
    "methods": {
        "backpropagation": {"0": made_up(-100.0, -10.0, 0.0), "1": made_up(-100.0, -10.0, 0.0)},
        "reinforce": {"0": made_up(-100.0, -50.0, -8.0), "1": made_up(-100.0, -50.0, -8.0)},
        "evolution": {"0": made_up(-100.0, -80.0, -60.0), "1": made_up(-100.0, -80.0, -120.0)},
    },
    "variance": {
        "backpropagation": [{"noise_to_signal": 2.0}, {"noise_to_signal": 30.0}],
        "reinforce": [{"noise_to_signal": 50.0}, {"noise_to_signal": 20.0}],
        "evolution": [{"noise_to_signal": 4000.0}, {"noise_to_signal": None}],
    },
}


def test_curves_are_means_over_seeds_and_arrive_where_they_first_reach_a_level():
    runs = NUMBERS["methods"]["evolution"]
    assert curve(runs, "steps") == [(0.0, -100.0), (1.0, -80.0), (2.0, -90.0)]
    assert arrival(runs, "seconds", -85.0) == 2.0
    assert arrival(runs, "steps", -10.0) is None


def test_the_conclusion_follows_from_the_numbers():
    said = conclusion(NUMBERS)
    assert "gradients through the model 0, REINFORCE -8, evolution strategies -90" in said
    assert "Nine tenths of the best gain (-10) take, in seconds: gradients through the model 2, REINFORCE 4" in said
    assert "evolution strategies not at all" in said
    assert (
        "at 2 policies: gradients through the model 2, 30; REINFORCE 50, 20; "
        "evolution strategies 4,000, hidden by the noise." in said
    )
    assert "instead of imagined ones, 2 updates of evolution strategies go from -100 to -70 in 10,000 real" in said
    assert "20 times those" in said
    assert "every seed improved with: gradients through the model, REINFORCE." in said
    assert "Noise over signal" not in conclusion(NUMBERS | {"variance": {}})


def test_all_start_from_the_same_policy_and_imagine_as_much():
    config = policies.world("laptop")
    learners = policies.learners(config, "laptop")
    assert {one.actor for one in learners.values()} == {config.behavior.policy}
    steps = {policies.RULES["laptop"].steps // policies.imagined_steps(one) for one in learners.values()}
    assert min(steps) > 100


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_the_tiny_study_runs_and_goes_on_where_it_stood(tmp_path):
    found = run("policies", tmp_path, "tiny", lambda what, progress: None)
    assert json.loads(json.dumps(found.numbers)) == found.numbers
    assert set(found.numbers["methods"]) == set(policies.METHODS)
    for method in policies.METHODS:
        points = found.numbers["methods"][method]["0"]["points"]
        assert len(points) == 1 + policies.RULES["tiny"].points
        assert points[0]["return"] == found.numbers["methods"]["reinforce"]["0"]["points"][0]["return"]
        (variance,) = found.numbers["variance"][method]
        assert (variance["noise_to_signal"] is None) == (variance["of_one_update"] is None)
        assert variance["steps"] == points[-1]["steps"] // found.numbers["methods"][method]["0"]["updates"]
    played = found.numbers["played"]["0"]["points"]
    assert played[0]["return"] == found.numbers["methods"]["evolution"]["0"]["points"][0]["return"]
    assert played[-1]["steps"] > 0
    for name in ("policies_steps.png", "policies_seconds.png"):
        with Image.open(tmp_path / name) as image:
            assert image.size[0] > 300
    for path in tmp_path.glob("evolution*"):
        path.unlink()
    some = run("policies", tmp_path, "tiny", lambda what, progress: None, parts=("reinforce",))
    assert set(some.numbers["methods"]) == {"backpropagation", "reinforce"}
    assert not some.numbers["played"]
    assert "| evolution strategies |" not in some.report
    found = run("policies", tmp_path, "tiny", lambda what, progress: None)
    told: list[str] = []
    assert run("policies", tmp_path, "tiny", lambda what, progress: told.append(what)).numbers == found.numbers
    assert not any("seed" in what for what in told)
