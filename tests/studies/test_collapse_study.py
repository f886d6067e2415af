"""The study of collapse: its table on made-up numbers, and the tiny study from end to end."""

import pytest

from reverie.data.dataset import DatasetConfig
from studies.collapse import run as collapse
from studies.collapse.report import collapsed, control, history, scale, tables

RANDOM = {"horizontal": {"distance": 4.0}, "random": {"distance": 5.0}}


def result(std: float, rankme: float, left: float, error: float = 0.1, dead: float = 0.0, alarms=()) -> dict:
    end = {
        "std": std,
        "rankme": rankme,
        "dimensions": 16.0,
        "dead_dimensions": dead,
        "participation_ratio": 3.0,
        "probe": 1 - error,
        "inverse": 0.1,
        "error_to_copy": 0.5,
        "error_to_variance": error,
    }
    history = [{"updates": 0, "std": 0.5, "probe": 0.0}, {"updates": 10, "std": std, "probe": float("nan")}]
    reached = {"horizontal": {"distance": 4.0 * left}, "random": {"distance": 5.0 * left}}
    return {"final": end, "history": history, "control": reached, "alarms": list(alarms), "spectrum": [2.0, 1.0]}


SHRUNK = result(0.001, 8.0, 1.02, error=1.1, alarms=[{"updates": 5, "text": "collapsed"}])
FLAT = result(0.4, 2.0, 0.95)
HEALTHY = result(1.5, 12.0, 0.25)


def test_what_collapsed_and_what_control_leaves():
    assert [collapsed(one) for one in (SHRUNK, FLAT, HEALTHY)] == [["scale"], ["dimensions"], []]
    assert collapsed(result(0.001, 2.0, 1.0)) == ["scale", "dimensions"]
    assert collapsed(result(0.5, 12.0, 1.0, dead=0.25)) == ["dimensions"]
    assert scale(HEALTHY) == pytest.approx(3.0)
    assert control(HEALTHY, RANDOM) == pytest.approx(0.25)


def test_table_and_curves():
    world = {"random": RANDOM, "methods": {"naive": SHRUNK, "cfm": HEALTHY}}
    rows = tables({"worlds": {"rope": world}})["rope"].splitlines()
    assert rows[-1] == "| CFM (our recipe) | 3 | 12.0 (16) | 3.0 | 0.90 | 0.10 | 0.50 | 0.10 | – | 25 % |  |"
    assert rows[-2].endswith("| 102 % | scale |")
    rows = tables({"worlds": {"reacher": world | {"random": {}}}})["reacher"].splitlines()
    assert rows[-2].endswith("| – |  | scale |")  # no goals, no control
    assert history(HEALTHY, "scale", log=True) == [(0, 1.0), (10, 3.0)]
    assert history(HEALTHY, "probe", log=False) == [(0, 0.0)]  # NaN is no point


def test_methods_differ_in_their_models_alone():
    dataset = DatasetConfig("somewhere")
    made = {method: collapse.config(method, collapse.ROPE, "laptop", dataset) for method in collapse.METHODS}
    assert len({repr(config.model) for config in made.values()}) == len(collapse.METHODS)
    assert len({repr(config.model.encoder) for config in made.values()}) == 1
    assert {config.training.updates for config in made.values()} == {collapse.UPDATES["laptop"]}
    frames = {config.training.batch * config.training.length for config in made.values()}
    assert frames == {144, 256}


@pytest.mark.slow
def test_the_tiny_study_runs_and_resumes(run_tiny):
    pytest.importorskip("mujoco")
    numbers, _ = run_tiny("collapse")
    methods = numbers["worlds"]["rope"]["methods"]
    assert set(methods) == {"naive", "cfm"}
    assert [line["updates"] for line in methods["cfm"]["history"]] == [0, 10, 20]
    assert all("probe" in line for line in methods["cfm"]["history"])
    again, messages = run_tiny("collapse")
    assert again == numbers
    assert not any("towards" in message for message in messages)
