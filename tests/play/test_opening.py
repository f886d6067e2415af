"""A run's folder, opened with as much as there is."""

import json
import shutil
from contextlib import closing

import pytest

import reverie
from reverie.cli.command_line import main
from reverie.errors import UserError
from reverie.play.opening import open_run
from reverie.play.wire import answer


def about(run, **options):
    with closing(open_run(run, device="cpu", **options)()) as session:
        return answer(session, {"do": "describe"})


def test_a_run_has_everything(run):
    found = about(run)
    assert (found["worlds"], found["starts"]) == (["both", "dream"], ["world", "replay", "prior"])
    assert found["drivers"] == ["policy", "planner"]
    assert found["rewards"]
    assert found["moment"]["dream"]["value"] is not None


def test_a_dream_begins_at_a_recorded_step(run):
    with closing(open_run(run, device="cpu")()) as session:
        ways = [answer(session, {"do": "reset", "worlds": "dream", "start": "replay", "seed": s}) for s in (1, 1, 2)]
    assert ways[0]["dream"] == ways[1]["dream"]
    assert ways[0]["dream"] != ways[2]["dream"]


def test_an_agent_alone_in_a_place_without_its_environment_dreams(run, tmp_path):
    for name in ("agent.json", "agent.safetensors", "config.json"):
        shutil.copy(run / name, tmp_path)
    for name in ("agent.json", "config.json"):
        text = (tmp_path / name).read_text().replace("worlds:Slide-v0", "Nowhere-v7")
        (tmp_path / name).write_text(json.dumps(json.loads(text)))
    found = about(tmp_path)
    assert (found["worlds"], found["starts"]) == (["dream"], ["prior"])
    assert "Nowhere" in found["missing"]
    assert found["drivers"] == ["policy", "planner"]
    with pytest.raises(UserError, match="Nowhere"):
        about(tmp_path, env={"id": "Nowhere-v8"})


def test_a_planner_is_chosen_as_in_an_evaluation(run):
    with closing(open_run(run, planner={"planner": "CEM", "planner.horizon": "2"}, device="cpu")()) as session:
        assert len(answer(session, {"do": "candidates"})["executed"]) == 2


@pytest.mark.slow
def test_an_agent_with_goals_is_shown_recorded_images_and_takes_new_goals(tmp_path):
    config = reverie.recipe("cfm", "tiny", "worlds:Square-v0")
    folder = reverie.train(config, tmp_path / "cfm", evaluate=False)
    with closing(open_run(folder, device="cpu")()) as session:
        found = answer(session, {"do": "describe"})
        assert (found["goals"], found["remembered"], found["rewards"]) == (True, True, False)
        assert found["moment"]["goal"]
        before = session.goal
        assert answer(session, {"do": "step", "driver": "planner"})["driver"] == "planner"
        assert (abs(session.moment.action) > 0).sum() == 1, "the world's legal actions move along one axis"
        answer(session, {"do": "aim"})
        assert (session.goal["pixels"] != before["pixels"]).any()
        found = answer(session, {"do": "candidates"})
        assert found["rewards"] == []
        assert len(found["scores"]) >= 100


@pytest.mark.slow
def test_generative_models_are_walked_through(tmp_path):
    for recipe, conditional in (("vae", False), ("cvae", True)):
        folder = reverie.train(reverie.recipe(recipe, "tiny"), tmp_path / recipe, evaluate=False)
        found = about(folder)
        assert (found["is"], found["conditional"]) == ("walk", conditional)
        assert found["recorded"] > 100
        with pytest.raises(UserError, match="neither environment nor planner"):
            about(folder, env={"id": "Pendulum-v1"})


def test_the_command_refuses_what_is_no_run(tmp_path, capsys):
    assert main(["play", str(tmp_path)]) == 2
    assert "is not the folder of a run" in capsys.readouterr().err


def test_the_command_prints_the_address(run, monkeypatch, capsys):
    pytest.importorskip("websockets")
    seen = []
    monkeypatch.setattr("reverie.play.server.play_until_interrupted", lambda server: seen.append(server.address))
    assert main(["play", str(run), "--port", "0", "--device", "cpu"]) == 0
    assert capsys.readouterr().out.startswith(f"Play at {seen[0]}\n")
    assert seen[0].startswith("http://127.0.0.1:")
