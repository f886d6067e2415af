"""`reverie runs`: what it says of runs that are done, living, stopped or damaged, and that it only reads."""

import json
import os
import subprocess
import sys

import fake_runs
import pytest

import reverie
from reverie.cli.command_line import main
from reverie.errors import UserError
from reverie.files import Lease
from reverie.runs.listing import list_runs

RETURNS = [(1000, -900.0), (9000, -150.0)]


def contents(folder):
    """Every file below a folder with its bytes and its time of modification."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def lines(capsys, *words):
    code = main(["runs", *map(str, words)])
    shown = capsys.readouterr()
    return code, (shown.out + shown.err).splitlines()


def test_a_line_has_recipe_environment_state_return_and_hours(tmp_path, capsys):
    timing = ((2000, 1800.0), (4000, 3600.0), (9000, 5400.0))
    fake_runs.run(tmp_path / "a", RETURNS, seconds=timing)
    fake_runs.run(tmp_path / "deep" / "b", RETURNS, task="CartPole-v1", seed=3, done=False)
    code, (head, a, b) = lines(capsys, tmp_path)
    assert code == 0
    assert head.split() == ["state", "recipe", "environment", "seed", "done", "return", "hours", "run"]
    done = ["9,000", "of", "10,000", "frames"]
    assert a.split() == ["done", "dreamer_v1", "Pendulum-v1", "0", *done, "-150.0", "1.50", str(tmp_path / "a")]
    assert b.split()[:4] == ["stopped", "dreamer_v1", "CartPole-v1", "3"]


def test_hours_are_those_of_all_processes_of_a_run(tmp_path):
    fake_runs.run(tmp_path / "a", RETURNS, seconds=((2000, 1800.0), (4000, 3600.0), (5000, 900.0), (9000, 1800.0)))
    assert list_runs(tmp_path)[0].hours == pytest.approx(1.5)


def test_a_living_run_is_read_without_writing(tmp_path):
    folder = fake_runs.run(tmp_path / "a", RETURNS, done=False)
    lease = Lease(folder)
    with (folder / "metrics.jsonl").open("a") as log:
        log.write('{"kind": "timing", "fra')  # a line that is being written
    before = contents(tmp_path)
    (run,) = list_runs(tmp_path)
    assert (run.state, run.done, run.score) == ("running", 9000, -150.0)
    assert contents(tmp_path) == before
    lease.release()
    assert list_runs(tmp_path)[0].state == "stopped"


def test_cells_of_a_sweep_are_runs(tmp_path):
    fake_runs.sweep(
        tmp_path / "sweep",
        {
            ("planet", "Pendulum-v1", 0): {"returns": RETURNS, "recipe": "planet"},
            ("planet", "Pendulum-v1", 1): {"returns": [], "done": False, "failed": "It was too large."},
        },
    )
    first, second = list_runs(tmp_path)
    assert (first.state, first.recipe) == ("done", "planet")
    assert (second.state, second.sentence) == ("failed", "It was too large.")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting"),
        ("[]", "list indices"),
        ("{}", "lacks 'recipe'"),
        ('{"recipe": "a", "seed": "0", "env": {"id": "b"}, "training": {"frames": 1}}', "another type"),
        ('{"recipe": 1, "seed": 0, "env": {"id": 2}, "training": {"frames": 1}}', "not a text"),
        ('{"recipe": "a", "seed": 0, "env": {"id": "b"}, "training": {"frames": null}}', "another type"),
        ('{"recipe": "a", "seed": 0, "training": {"updates": 1}}', "lacks 'data'"),
        ("\xff", "codec"),
    ],
)
def test_a_damaged_run_is_one_line_beside_the_others(tmp_path, capsys, text, reason):
    fake_runs.run(tmp_path / "b", RETURNS)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "config.json").write_bytes(text.encode("latin-1"))
    code, (_, damaged, good) = lines(capsys, tmp_path)
    assert code == 0
    assert damaged.startswith("damaged ")
    assert reason in damaged
    assert good.startswith("done ")


def test_files_of_another_form_are_damage_or_nothing(tmp_path):
    folder = fake_runs.run(tmp_path / "a", RETURNS)
    for name in ("evaluation.json", "owner.json", "failed.json"):
        (folder / name).write_text("[1]")
    (folder / "metrics.jsonl").write_bytes(b'\xff\n[1]\n{"kind": "timing"}\n')
    (run,) = list_runs(tmp_path)
    assert (run.state, run.score, run.hours) == ("done", None, None)
    (folder / "config.json").unlink()
    assert "no config.json" in list_runs(tmp_path)[0].sentence


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_one_line(tmp_path):
    (tmp_path / "a").mkdir(mode=0)
    assert "cannot be read" in list_runs(tmp_path)[0].sentence


@pytest.mark.parametrize(
    ("data", "world"),
    [
        ({"type": "DigitsConfig"}, "digits"),
        ({"type": "DatasetConfig", "folder": "datasets/slide"}, "slide"),
        ({"type": "InteractionConfig", "env": {"id": "reverie/Slide-v0"}}, "reverie/Slide-v0"),
        ({"type": "AgentReplayConfig", "run": "runs/first"}, "first"),
    ],
)
def test_a_fitted_model_is_named_by_its_data(tmp_path, data, world):
    (tmp_path / "a").mkdir()
    config = {"recipe": "vae", "seed": 0, "data": data, "training": {"updates": 100}}
    (tmp_path / "a" / "config.json").write_text(json.dumps(config))
    (run,) = list_runs(tmp_path)
    assert (run.world, run.state, run.unit, run.total) == (world, "new", "updates", 100)


def test_a_missing_folder_is_one_sentence_and_an_empty_one_is_none(tmp_path, capsys):
    assert lines(capsys, tmp_path / "none") == (
        2,
        [f"reverie: There is no folder {tmp_path / 'none'}: name one with runs, such as `reverie runs runs`."],
    )
    assert lines(capsys, tmp_path)[0] == 0
    with pytest.raises(UserError, match="There is no folder"):
        reverie.list_runs(tmp_path / "none")


def test_links_in_a_circle_end(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path)
    assert list_runs(tmp_path) == []


def test_listing_imports_neither_torch_nor_numpy(tmp_path):
    fake_runs.run(tmp_path / "a", RETURNS)
    code = (
        f"import sys; from reverie.cli.command_line import main; main(['runs', {str(tmp_path)!r}]); "
        "print('HEAVY', [name for name in ('torch', 'numpy', 'rich') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "HEAVY []"
