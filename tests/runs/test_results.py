"""One tiny run, trained once, and the commands that a user gives for it."""

import errno
import json
import os
import shutil
from pathlib import Path

import format_1
import pytest

from reverie.cli import command_line as main
from reverie.data.collector import Collector
from reverie.runs.config import read_config
from reverie.runs.logger import read_metrics
from reverie.runs.loop import resume

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    line = (
        "train dreamer_v1 --size tiny --env.time_limit 40 --training.prefill 80 --training.frames 120 "
        "--training.round 20 --training.updates 2 --training.length 10 --training.log_every 20 "
        "--evaluation.final_episodes 2"
    )
    assert main.main([*line.split(), "--run", str(folder), "--device", "cpu"]) == 0
    return folder


def test_training_leaves_every_file(run):
    pictures = {"curve.png", "open_loop.png", "open_loop_error.png", "evaluation.mp4", "open_loop.mp4"}
    pictures |= {"dream.png", "dream.mp4"}
    assert pictures <= {path.name for path in run.iterdir()}
    assert not list(run.glob("*.partial"))
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert len(evaluation["returns"]) == len(evaluation["lengths_frames"]) == 2
    assert evaluation["mean"] == pytest.approx(sum(evaluation["returns"]) / 2)
    assert {line["kind"] for line in read_metrics(run)} >= {"train", "episode", "timing"}


def test_evaluate_gives_the_same_episodes_again_and_writes_a_film(run, tmp_path, capsys):
    film = tmp_path / "new" / "film.mp4"
    assert main.main(["evaluate", str(run), "--episodes", "1", "--video", str(film)]) == 0
    first = capsys.readouterr().out
    assert film.stat().st_size > 0
    before = (run / "evaluation.json").read_bytes()
    assert main.main(["evaluate", str(run), "--episodes", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == first.splitlines()[:2]
    assert (run / "evaluation.json").read_bytes() == before
    assert sorted(path.name for path in (run / "evaluations").iterdir()) == ["001", "002"]


def test_evaluate_as_json_in_another_environment(run, capsys):
    line = f"evaluate {run} --episodes 1 --json --env.kwargs g=5 --env.time_limit 20"
    assert main.main(line.split()) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["lengths_frames"] == [20]
    assert values["kwargs"] == ["g=5"]
    assert values["returns"] == [values["mean"]]
    assert main.main(f"evaluate {run} --env.id CartPole-v1".split()) == 2
    error = capsys.readouterr().err
    assert "CartPole-v1 does not fit this agent" in error
    assert len(error.splitlines()) == 1


def test_a_finished_run_is_extended(run, tmp_path, capsys):
    folder = tmp_path / "longer"
    shutil.copytree(run, folder)
    assert main.main(f"resume {folder} --training.frames 160 --evaluation.final_episodes 1".split()) == 0
    assert read_config(folder).training.frames == 160
    assert read_metrics(folder)[-1]["frames"] == 160
    assert len(json.loads((folder / "evaluation.json").read_text())["returns"]) == 1
    for setting in ("--training.batch 3", "--training.updates 9"):
        assert main.main(f"resume {folder} {setting}".split()) == 2
        error = capsys.readouterr().err
        assert "cannot change in a run that has begun" in error
        assert len(error.splitlines()) == 1


def test_checkpoints_of_version_0_1_are_read(run, tmp_path):
    folder = tmp_path / "old"
    shutil.copytree(run, folder)
    format_1.rewrite(folder)
    before = read_metrics(folder)
    assert resume(folder, evaluate=False) == folder
    assert read_metrics(folder) == before


def test_imagine_draws_into_another_folder(run, tmp_path, capsys):
    assert main.main(["imagine", str(run), "--context", "3", "--horizon", "9", "--out", str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "dream.png",
        "dream.mp4",
        "open_loop.png",
        "open_loop.mp4",
        "open_loop_error.png",
    }
    assert main.main(["imagine", str(run), "--context", "5000"]) == 2
    assert "context of 5000" in capsys.readouterr().err


def test_a_run_is_not_overwritten(run, capsys):
    assert main.main(["train", "dreamer_v1", "--size", "tiny", "--run", str(run)]) == 2
    assert "reverie resume" in capsys.readouterr().err


def test_resuming_a_finished_run_only_evaluates(run, capsys):
    before = read_metrics(run, "train")
    assert main.main(["resume", str(run)]) == 0
    assert "mean return of 2 episodes" in capsys.readouterr().out
    assert read_metrics(run, "train") == before


@pytest.mark.parametrize("damage", ['{"kind": "train"}\n', "\n", None])
def test_a_damaged_log_costs_the_curve_alone(run, tmp_path, capsys, damage):
    folder = tmp_path / "damaged"
    shutil.copytree(run, folder)
    (folder / "evaluation.json").unlink()
    log = folder / "metrics.jsonl"
    log.write_text(damage + log.read_text()) if damage else log.write_bytes(b"\xff\n" + log.read_bytes())
    assert main.main(["resume", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "mean return of 2 episodes" in printed
    assert "warning: There is no curve: " in printed
    assert json.loads((folder / "evaluation.json").read_text())["returns"]


def test_a_full_disk_while_drawing_costs_the_pictures_alone(run, tmp_path, capsys, monkeypatch):
    folder, write = tmp_path / "full", os.replace
    shutil.copytree(run, folder)
    for path in [*folder.glob("*.png"), *folder.glob("*.mp4"), folder / "evaluation.json"]:
        path.unlink()

    def fail(source, target):
        if str(target).endswith((".png", ".mp4")):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(source, target)

    monkeypatch.setattr(os, "replace", fail)
    assert main.main(["resume", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert {line.split(":")[1] for line in printed.splitlines() if line.startswith("warning: ")} == {
        *(" There is no film", " There is no curve"),
        *(" There is no picture of the open loop", " There is no picture of the dream"),
    }
    assert json.loads((folder / "evaluation.json").read_text())["returns"]
    assert not [path for path in folder.iterdir() if path.suffix in (".png", ".mp4", ".partial")]


def test_a_read_only_run_is_evaluated_without_a_record(run, capsys, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert main.main(["evaluate", str(run), "--episodes", "1", "--json"]) == 0
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)["returns"]) == 1
    assert printed.err.startswith("warning: There is no evaluation.json: ")


@pytest.mark.parametrize("words", ["imagine --out", "evaluate --planner CEM --moment 1 --out", "evaluate --video"])
def test_what_cannot_be_written_is_refused_before_anything_is_played(run, tmp_path, words, capsys, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(Collector, "step", lambda *_: pytest.fail("an episode was played"))
    command, *options = words.split()
    assert main.main([command, str(run), *options, str(tmp_path / "file" / "film.mp4")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("damage", [shutil.rmtree, lambda path: (shutil.rmtree(path), path.touch())])
def test_a_trained_run_without_checkpoints_is_not_begun_anew(run, tmp_path, damage, capsys):
    folder = tmp_path / "lost"
    shutil.copytree(run, folder)
    damage(folder / "checkpoints")
    before = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    assert main.main(["resume", str(folder)]) == 2
    assert "was trained and has no checkpoint any more" in capsys.readouterr().err
    assert before == {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
