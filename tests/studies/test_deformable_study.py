"""The study of deformables: the table and the verdicts on made-up numbers, and the tiny study from end to end."""

import json
from types import SimpleNamespace

import pytest
from PIL import Image

from reverie.errors import UserError
from studies import run
from studies.deformable import run as deformable
from studies.deformable.report import conclusion, share, table


def one(distance: float, success: float = 0.0, deviation: float = 0.1, episodes: int = 100) -> dict:
    kept = {"distance": distance, "deviation": deviation, "success": success, "episodes": episodes}
    return kept | {"distance_by_action": [5.0, distance]}


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


def test_shares_and_cells_are_means_over_seeds():
    assert share(MADE_UP, "cfm", "horizontal") == pytest.approx(1.0 / 4)
    assert share(MADE_UP, "autoencoder", "random") == pytest.approx(0.5)
    rows = table("rope", MADE_UP).splitlines()
    assert rows[0] == "| | horizontal | random | success |"
    assert "| CFM, 2 seeds | 1.00 ± 0.20 (0.58) | 1.50 ± 0.30 (3.08) | 75 % |" in rows
    assert "| oracle: true simulator, true distance, 40 episodes | 0.40 ± 0.10 | 0.60 ± 0.10 | 0 % |" in rows
    assert "| autoencoder | 2.00 ± 0.10 (1.72) | 3.00 ± 0.25 (3.24) | 0 % |" in rows


def test_the_verdict_follows_from_the_numbers():
    said = conclusion("rope", MADE_UP)
    assert "CFM 25 %, autoencoder 50 %, naive forward 105 %" in said
    assert "the oracle leaves 10 %" in said
    assert "it comes nearer than autoencoder, naive forward" in said
    assert "No better than chance (above 90 %): naive forward" in said
    assert "That is not the published order, which is" not in said
    worse = MADE_UP | {"cfm": {"0": {"horizontal": one(3.0), "random": one(4.5)}}}
    said = conclusion("rope", worse)
    assert "it comes nearer than naive forward" in said
    assert "it is beaten by autoencoder" in said
    assert "not the published order" in said
    tie = MADE_UP | {"cfm": {"0": {"horizontal": one(2.1), "random": one(2.9)}}}
    said = conclusion("rope", tie)
    assert "it comes nearer than naive forward; it ties with (within 4 points) autoencoder." in said
    assert "beaten" not in said


def test_every_method_is_a_run_of_its_own(monkeypatch):
    monkeypatch.setattr(deformable.DatasetConfig, "manifest", lambda self: SimpleNamespace())
    dataset = deformable.DatasetConfig("somewhere")
    cloth = deformable.CONDITIONS[1]
    for size in deformable.SIZES:
        methods = deformable.methods(size, cloth)
        made = {method: deformable.config(method, size, cloth, dataset, 3) for method in (*methods, "cfm_published")}
        assert len({repr(made[method].model) for method in methods}) == len(methods)
        assert all(config.seed == 3 and config.data == dataset and config.actor for config in made.values())
    published = made["cfm_published"]
    assert (published.training.batch, published.training.length, published.model.dynamics.size) == (128, 2, 8)
    assert published.training.updates == 30 * 200_000 // 128


def test_the_tiny_study_runs_and_goes_on_where_it_stood(tmp_path):
    pytest.importorskip("mujoco")
    told: list[str] = []
    found = run("deformable", tmp_path, "tiny", lambda what, progress: told.append(what))
    assert "| CFM |" in found.report
    assert json.loads(json.dumps(found.numbers)) == found.numbers
    rope = found.numbers["conditions"]["rope"]
    assert set(rope) == {"random", "oracle", "naive", "cfm"}
    assert rope["oracle"]["0"]["horizontal"]["distance"] < rope["random"]["0"]["horizontal"]["distance"]
    for picture in (tmp_path / "rope.png", tmp_path / "rope-cfm-horizontal.png"):
        assert f"({picture.name})" in found.report
        with Image.open(picture) as image:
            assert image.size[0] > 300
    told.clear()
    assert run("deformable", tmp_path, "tiny", lambda what, progress: told.append(what)).numbers == found.numbers
    assert not any("towards" in what for what in told)


def test_what_there_is_not_of_a_study_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="no size 'huge'"):
        run("deformable", tmp_path, "huge", lambda what, progress: None)
    with pytest.raises(UserError, match=r"no part 'string'.*rope, cloth"):
        run("deformable", tmp_path, "tiny", lambda what, progress: None, ("rope", "string"))
    with pytest.raises(UserError, match="as a whole"):
        run("generative", tmp_path, "tiny", lambda what, progress: None, ("rope",))
