"""The study of policies: its tables on made-up numbers, and the tiny study from end to end."""

import pytest

from studies.policies import run as policies
from studies.policies.report import arrival, arrivals, learners, mean_curve


def made_up(*returns: float, scale: int = 1) -> dict:
    points = [{"steps": scale * i, "seconds": 2.0 * i, "return": x, "std": 1.0} for i, x in enumerate(returns)]
    return {"points": points, "imagined_return": 0.0, "updates": len(returns) - 1}


def noise(value: float | None) -> dict:
    return {"noise_to_signal": value, "of_one_update": 1.0}


NUMBERS = {
    "frames": 500,
    "played": {"0": made_up(-100.0, -90.0, -70.0, scale=5_000)},
    "methods": {
        "backpropagation": {"0": made_up(-100.0, -10.0, 0.0), "1": made_up(-100.0, -10.0, 0.0)},
        "reinforce": {"0": made_up(-100.0, -50.0, -8.0), "1": made_up(-100.0, -50.0, -8.0)},
        "evolution": {"0": made_up(-100.0, -80.0, -60.0), "1": made_up(-100.0, -80.0, -120.0)},
    },
    "variance": {
        "backpropagation": [noise(2.0), noise(30.0)],
        "reinforce": [noise(50.0), noise(20.0)],
        "evolution": [noise(4000.0), noise(None)],
    },
}


def test_curves_are_means_over_seeds():
    runs = NUMBERS["methods"]["evolution"]
    assert mean_curve(runs, "steps") == [(0.0, -100.0), (1.0, -80.0), (2.0, -90.0)]
    assert arrival(runs, "seconds", -85.0) == 2.0
    assert arrival(runs, "steps", -10.0) is None


def test_tables():
    rows = arrivals(NUMBERS["methods"]).splitlines()
    assert rows[0] == "|  | first return | last return | thousand imagined steps to -10 | seconds |"
    assert rows[2:] == [
        "| gradients through the model | -100 | 0 | 0 | 2 |",
        "| REINFORCE | -100 | -8 | 0 | 4 |",
        "| evolution strategies | -100 | -90 | not reached | not reached |",
    ]
    rows = learners(NUMBERS).splitlines()
    assert rows[2] == "| gradients through the model | 2 | 2 | 4 | 0, 0 | 2, 30 | 1, 1 |"
    assert rows[4] == "| evolution strategies | 2 | 2 | 4 | -60, -120 | 4,000, hidden by the noise | 1, 1 |"
    assert rows[5] == "| evolution strategies by real episodes, seed 0 | 2 | 10,000 real frames | 4 | -70 |  |  |"


def test_all_start_from_the_same_policy_and_imagine_as_much():
    config = policies.world("laptop")
    learners = policies.learners(config, "laptop")
    assert {one.actor for one in learners.values()} == {config.behavior.policy}
    steps = {policies.PROTOCOL["laptop"].steps // policies.imagined_steps(one) for one in learners.values()}
    assert min(steps) > 100


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_the_tiny_study_runs_and_resumes(run_tiny, tmp_path):
    some, _ = run_tiny("policies", "reinforce")
    assert set(some["methods"]) == {"reinforce"}
    assert not some["played"]
    numbers, messages = run_tiny("policies")
    assert not any("reinforce, seed" in message for message in messages)
    assert set(numbers["methods"]) == set(policies.METHODS)
    first = numbers["methods"]["reinforce"]["0"]["points"][0]["return"]
    for method in policies.METHODS:
        points = numbers["methods"][method]["0"]["points"]
        assert len(points) == 1 + policies.PROTOCOL["tiny"].points
        assert points[0]["return"] == first
        (variance,) = numbers["variance"][method]
        assert (variance["noise_to_signal"] is None) == (variance["of_one_update"] is None)
        assert variance["steps"] == points[-1]["steps"] // numbers["methods"][method]["0"]["updates"]
    played = numbers["played"]["0"]["points"]
    assert played[0]["return"] == first
    assert played[-1]["steps"] > 0
    again, messages = run_tiny("policies")
    assert again == numbers
    assert not any("seed" in message for message in messages)
