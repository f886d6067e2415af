"""One tiny run, trained once, seen through the command line as a user would."""

import json

import pytest

from reverie.cli import main
from reverie.runs.logger import read_metrics


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


def test_training_leaves_everything_that_is_announced(run):
    pictures = {"curve.png", "open_loop.png", "open_loop_error.png", "evaluation.mp4", "open_loop.mp4"}
    assert pictures <= {path.name for path in run.iterdir()}
    assert not list(run.glob("*.partial"))
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert len(evaluation["returns"]) == len(evaluation["lengths_frames"]) == 2
    assert evaluation["mean"] == pytest.approx(sum(evaluation["returns"]) / 2)
    assert {line["kind"] for line in read_metrics(run)} >= {"train", "episode", "timing"}


def test_evaluate_repeats_itself_and_films(run, tmp_path, capsys):
    film = tmp_path / "new" / "film.mp4"
    assert main.main(["evaluate", str(run), "--episodes", "1", "--video", str(film)]) == 0
    first = capsys.readouterr().out
    assert film.stat().st_size > 0
    assert main.main(["evaluate", str(run), "--episodes", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == first.splitlines()[:2]


def test_imagine_draws_into_another_folder(run, tmp_path, capsys):
    assert main.main(["imagine", str(run), "--context", "3", "--horizon", "9", "--out", str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
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
