"""`reverie.compare` on folders: what it reads, calls by which name, writes, and refuses."""

import json
import os
import stat
from pathlib import Path

import fake_runs
import pytest
import small_run
import small_sweep

import reverie
from reverie.errors import UserError
from reverie.evaluation.comparison import figures, page
from reverie.runs.compare import written
from reverie.runs.curves import read_curves

RETURNS = [(at, -1000.0 + at / 100) for at in range(200, 10_001, 200)]


@pytest.fixture
def few_figures(monkeypatch) -> None:
    """Draw two of the figures, because each takes half a second."""
    monkeypatch.setattr(figures, "FIGURES", {name: figures.FIGURES[name] for name in ("curves", "aggregates")})


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of change of every file and folder."""
    paths = [folder, *folder.rglob("*")]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


def names(*folders: str | Path) -> list[str]:
    return [run.method for run in read_curves(folders)]


@pytest.mark.slow
def test_a_report_of_a_sweep_is_complete_and_its_folder_is_only_read(tmp_path):
    cells = {
        (method, task, seed): {"returns": RETURNS, "recipe": method, "seconds": ((5_000, 60), (10_000, 120))}
        for method in ("dreamer_v1", "planet")
        for task in ("Pendulum-v1", "dm_control/walker-walk-v0")
        for seed in range(2)
    }
    cells["planet", "Pendulum-v1", 1] |= {"done": False, "returns": RETURNS[:30], "seconds": ((5_000, 60),)}
    folder = fake_runs.sweep(tmp_path / "sweep", cells)
    with (folder / "cells" / "cell-5" / "metrics.jsonl").open("a") as log:
        log.write('{"kind": "epis')  # a line that is being written
    before, out = tree(folder), tmp_path / "out" / "report"
    found = reverie.compare(folder, published=["planet"], out=out)
    assert tree(folder) == before
    assert found.cells == "7 of 8 cells are done"
    files = {f"{name}.{end}" for name in figures.FIGURES for end in ("png", "svg")}
    files |= {"index.html", "scores.json", "table.md"}
    assert {path.name for path in written(out)} == {path.name for path in out.iterdir()} == files
    assert len(json.loads((out / "scores.json").read_text())) == 8
    assert "7 of 8 cells are done" in (out / "table.md").read_text()
    assert all((out / f"{name}.svg").read_text().startswith("<?xml") for name in figures.FIGURES)


def test_a_later_report_leaves_no_figure_of_an_earlier_one(tmp_path, few_figures):
    known = fake_runs.run(tmp_path / "known", RETURNS)
    own = fake_runs.run(tmp_path / "own", RETURNS, task="Own-v0")
    reverie.compare(known, out=tmp_path / "out")
    assert (tmp_path / "out" / "aggregates.png").exists()
    reverie.compare(own, out=tmp_path / "out")
    assert {path.stem for path in (tmp_path / "out").iterdir()} == {"curves", "index", "scores", "table"}


def test_two_runs_of_someone_who_never_heard_of_sweeps(tmp_path):
    first = fake_runs.run(tmp_path / "runs" / "first", RETURNS, model={"deter": 100})
    second = fake_runs.run(tmp_path / "runs" / "second", RETURNS, model={"deter": 200})
    assert names(first, second) == ["first", "second"]
    assert names(tmp_path / "runs") == ["first", "second"]
    assert names(f"small={first}", f"large={second}") == ["small", "large"]
    assert reverie.compare([first, second]).methods == ("first", "second")


def test_seeds_of_one_recipe_are_one_method(tmp_path):
    for seed in range(3):
        fake_runs.run(tmp_path / "runs" / f"run-{seed}", RETURNS, seed=seed)
    fake_runs.run(tmp_path / "runs" / "other", RETURNS, task="CartPole-v1", model={"deter": 7})
    assert set(names(tmp_path / "runs")) == {"dreamer_v1"}
    assert len(reverie.compare(tmp_path / "runs").score("dreamer_v1", "Pendulum-v1").runs) == 3


def test_runs_that_differ_in_more_than_the_seed_are_two_methods(tmp_path):
    first = fake_runs.run(tmp_path / "first", RETURNS, seed=0)
    second = fake_runs.run(tmp_path / "second", RETURNS, seed=1, model={"deter": 7})
    assert names(first, second) == ["first", "second"]
    assert names(f"one={first}", f"one={second}") == ["one", "one"]


def test_methods_of_two_sweeps_stay_apart_where_they_would_mix(tmp_path):
    before, after = (
        fake_runs.sweep(
            tmp_path / name / "sweep",
            {(method, "Pendulum-v1", 0): {"returns": RETURNS} for method in ("dreamer_v1", extra)},
        )
        for name, extra in (("before", "planet"), ("after", "dreamer_v2"))
    )
    assert names(before, after) == ["before/sweep dreamer_v1", "planet", "after/sweep dreamer_v1", "dreamer_v2"]
    assert names(f"old={before}", after) == ["old dreamer_v1", "old planet", "dreamer_v1", "dreamer_v2"]


def test_time_is_added_over_the_processes_that_went_on_with_a_run(tmp_path):
    seconds = ((1_000, 3_600), (2_000, 7_200), (3_000, 1_800), (4_000, 3_600))
    (run,) = read_curves([fake_runs.run(tmp_path / "run", RETURNS, seconds=seconds, threads=2)])
    assert run.hours[1].tolist() == [2, 4, 5, 6]
    assert run.processor == "core"
    (run,) = read_curves([fake_runs.run(tmp_path / "gpu", RETURNS, seconds=seconds, device="NVIDIA H100", threads=8)])
    assert (run.hours[1].tolist(), run.processor) == ([1, 2, 2.5, 3], "GPU")


def test_the_final_evaluation_is_the_last_one(tmp_path):
    evaluations = ((5_000, 1.0),)
    folder = fake_runs.run(tmp_path / "run", RETURNS, evaluations=evaluations, every=5_000)
    assert read_curves([folder])[0].returns["evaluation"][0].tolist() == [5_000, 10_000]
    assert reverie.compare(folder).kind == "evaluation"


def refused(*folders: str | Path, **options) -> str:
    with pytest.raises(UserError) as error:
        reverie.compare(folders, **options)
    return str(error.value)


def test_what_is_no_run_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "nowhere") == f"There is no folder {tmp_path / 'nowhere'}."
    assert refused(tmp_path / "empty").startswith(f"{tmp_path / 'empty'} is not the folder of a run or a sweep, and")
    assert refused() == "No folder was named: give those of sweeps or runs."
    run = fake_runs.run(tmp_path / "run", RETURNS)
    assert refused(run, run) == f"{run} is named twice, by {run} and by {run}: name it once."
    assert refused(tmp_path / "run" / "config.json").startswith("There is no folder")


def test_a_fit_without_returns_is_refused_alone_and_passed_over_among_others(tmp_path):
    fit = fake_runs.run(tmp_path / "runs" / "fit", [])
    config = json.loads((fit / "config.json").read_text())
    (fit / "config.json").write_text(json.dumps(config | {"training": {"updates": 100}}))
    assert "has no returns to compare, because it was fitted to recorded data" in refused(fit)
    assert "has no returns to compare" in refused(tmp_path / "runs")
    fake_runs.run(tmp_path / "runs" / "agent", RETURNS)
    assert names(tmp_path / "runs") == ["dreamer_v1"]


@pytest.mark.parametrize("line", ['{"kind": "episode"', "7", '{"kind": "episode", "frames": "many"}', "\xff"])
def test_a_damaged_log_is_named_and_nothing_is_written(tmp_path, line):
    run = fake_runs.run(tmp_path / "run", RETURNS)
    log = run / "metrics.jsonl"
    log.write_bytes(line.encode("latin-1") + b"\n" + log.read_bytes())
    sentence = refused(run, out=tmp_path / "out")
    assert str(log) in sentence
    assert "delete" in sentence
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"recipe": "x"}', '{"recipe": 1, "seed": 0, "training": {"frames": 9}}'])
def test_a_damaged_config_is_named(tmp_path, text):
    run = fake_runs.run(tmp_path / "run", RETURNS)
    (run / "config.json").write_text(text)
    assert f"{run / 'config.json'} is damaged" in refused(run)


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "file").write_text("x")
    assert "cannot be written" in refused(tmp_path / "nowhere", out=tmp_path / "file" / "out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folders_are_compared(tmp_path):
    run = fake_runs.run(tmp_path / "run", RETURNS)
    run.chmod(stat.S_IREAD | stat.S_IEXEC)
    assert reverie.compare(run).complete == 1


def test_without_the_plotting_library_only_the_page_is_missing(tmp_path, monkeypatch, few_figures):
    monkeypatch.setattr(page, "available", lambda: False)
    found = reverie.compare(fake_runs.run(tmp_path / "run", RETURNS), out=tmp_path / "out")
    assert found.remarks[-1] == "The page needs Bokeh: pip install 'reverie[compare]'."
    assert not (tmp_path / "out" / "index.html").exists()
    assert found.remarks[-1] in (tmp_path / "out" / "table.md").read_text()
    with pytest.raises(UserError, match="needs Bokeh"):
        page.html(found)


def test_a_run_that_spent_its_budget_without_a_final_evaluation_is_done(tmp_path):
    spent = fake_runs.run(tmp_path / "spent", RETURNS, done=False, frames=10_050)
    short = fake_runs.run(tmp_path / "short", RETURNS, done=False, frames=11_000, seed=1)
    found = read_curves([spent, short])
    assert [(run.state, run.reached) for run in found] == [("done", 10_050), ("stopped", 10_000)]


@pytest.mark.slow
def test_a_real_sweep_and_a_real_run_are_compared(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(small_run.__file__).parent))
    reverie.sweep(tmp_path / "sweep", {"dreamer_v1": small_sweep.methods()["dreamer_v1"][:2]}, jobs=2, progress=False)
    reverie.train(small_run.config(), tmp_path / "run", evaluate=False, progress=False)
    found = reverie.compare([tmp_path / "sweep", f"alone={tmp_path / 'run'}"], out=tmp_path / "out")
    assert found.methods == ("dreamer_v1", "alone")
    assert len(found.score("dreamer_v1", "worlds:Slide-v0").runs) == 2
    assert {run.reached for run in found.curves} == {small_run.DECISIONS * small_run.REPEAT}
    assert found.cells == "3 of 3 cells are done"
    assert all(run.hours[1][-1] > 0 for run in found.curves)
