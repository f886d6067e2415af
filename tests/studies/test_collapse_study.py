"""The study of collapse: verdicts on made-up numbers, and the tiny study from end to end."""

import json

import pytest
from PIL import Image

from reverie.data.dataset import DatasetConfig
from studies import run
from studies.collapse import run as collapse
from studies.collapse.report import conclusion, control, curve, lost, scale, table, verdict

RANDOM = {"horizontal": {"distance": 4.0}, "random": {"distance": 5.0}}


def judged(std: float, rankme: float, left: float, error: float = 0.1, dead: float = 0.0, alarms=()) -> dict:
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
    way = [{"updates": 0, "std": 0.5, "probe": 0.0}, {"updates": 10, "std": std, "probe": float("nan")}]
    reached = {"horizontal": {"distance": 4.0 * left}, "random": {"distance": 5.0 * left}}
    return {"end": end, "way": way, "control": reached, "alarms": list(alarms), "spectrum": [2.0, 1.0]}


SHRUNK = judged(0.001, 8.0, 1.02, error=1.1, alarms=[{"updates": 5, "text": "collapsed"}])
FLAT = judged(0.4, 2.0, 0.95)
HEALTHY = judged(1.5, 12.0, 0.25)


def test_verdicts_name_what_collapsed():
    assert [lost(found) for found in (SHRUNK, FLAT, HEALTHY)] == [["scale"], ["dimensions"], []]
    assert lost(judged(0.001, 2.0, 1.0)) == ["scale", "dimensions"]
    assert lost(judged(0.5, 12.0, 1.0, dead=0.25)) == ["dimensions"]
    assert scale(HEALTHY) == pytest.approx(3.0)
    assert control(HEALTHY, RANDOM) == pytest.approx(0.25)
    assert control(HEALTHY, {}) is None
    assert verdict(SHRUNK, RANDOM) == "loses scale, foresees nothing, no better than random"
    assert verdict(FLAT, RANDOM) == "loses dimensions, no better than random"
    assert verdict(HEALTHY, RANDOM) == "keeps both, leaves 25 % of random's distance"
    assert verdict(judged(1.0, 12.0, 0.2, error=float("nan")), {}) == "keeps both, foresees nothing"


def test_the_report_is_made_of_its_numbers():
    world = {"random": RANDOM, "methods": {"naive": SHRUNK, "inverse": FLAT, "cfm": HEALTHY}}
    said = conclusion("rope", world)
    assert "naive forward (scale), inverse model (dimensions) collapsed; CFM (our recipe) did not" in said
    assert "RankMe alone would not have told of naive forward:" in said
    assert "Nearest to the goals come CFM (our recipe) 25 %" in said
    assert "No better than random: inverse model, naive forward" in said
    assert "The alarm went off for naive forward." in said
    assert "| CFM (our recipe) | 3 | 12.0 (16) | 3.0 | 0.90 | 0.10 | 0.50 | 0.10 | – | 25 % | keeps both" in table(
        world
    )
    assert curve(HEALTHY, "scale", logarithmic=True) == [(0, 1.0), (10, 3.0)]
    assert curve(HEALTHY, "probe", logarithmic=False) == [(0, 0.0)]  # no number, no point


def test_methods_differ_in_their_models_alone():
    dataset = DatasetConfig("somewhere")
    made = {method: collapse.config(method, collapse.ROPE, "laptop", dataset) for method in collapse.METHODS}
    assert len({repr(config.model) for config in made.values()}) == len(collapse.METHODS)
    assert len({repr(config.model.encoder) for config in made.values()}) == 1
    assert {config.training.updates for config in made.values()} == {collapse.UPDATES["laptop"]}
    frames = {config.training.batch * config.training.length for config in made.values()}
    assert frames == {144, 256}


def test_the_tiny_study_runs_and_goes_on_where_it_stood(tmp_path):
    pytest.importorskip("mujoco")
    found = run("collapse", tmp_path, "tiny", lambda what, progress: None)
    assert json.loads(json.dumps(found.numbers)) == found.numbers
    methods = found.numbers["worlds"]["rope"]["methods"]
    assert set(methods) == {"naive", "cfm"}
    assert [line["updates"] for line in methods["cfm"]["way"]] == [0, 10, 20]
    assert all("probe" in line for line in methods["cfm"]["way"])
    for what in ("scale", "spectrum", "control"):
        with Image.open(tmp_path / f"rope_{what}.png") as image:
            assert image.size[0] > 300
    told: list[str] = []
    assert run("collapse", tmp_path, "tiny", lambda what, progress: told.append(what)).report == found.report
    assert not any("towards" in what for what in told)
