"""Sweeps without training: what a folder says, what is made in it, and what is done when a process ends."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import reverie
from reverie.errors import UserError
from reverie.files import InUse, Lease
from reverie.runs.config import read_config
from reverie.runs.interrupt import Interrupted
from reverie.runs.sweeps import board, child, embedded, on_ray, plan, state
from reverie.runs.sweeps import sweep as sweeps
from reverie.runs.sweeps.base import Ended, Job
from reverie.runs.sweeps.state import Cell


def methods(*seeds: int, **settings: str) -> plan.Methods:
    texts = {f"training.{name}": text for name, text in settings.items()}
    return reverie.grid(["dreamer_v1"], ["Pendulum-v1"], seeds or (0,), size="tiny", settings=texts)


def names(folder: Path) -> list[str]:
    return [cell.name for cell in reverie.cells(folder)]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A sweep of two cells, neither begun."""
    sweeps.commands(tmp_path / "sweep", methods(0, 1))
    return tmp_path / "sweep"


def log(cell: Path, *lines: dict) -> None:
    (cell / "metrics.jsonl").write_text("\n".join([*map(json.dumps, lines), '{"half']))


# What the files say


def test_each_state_is_read_from_the_files(folder):
    (cell, _), path = reverie.cells(folder), folder / "cells" / "dreamer_v1-Pendulum-v1-0"
    assert cell == Cell(path.name, path, "dreamer_v1", "Pendulum-v1", 0, "new", 0, 1000)
    log(
        path,
        {"kind": "episode", "frames": 200, "return": 5.0},
        {"kind": "timing", "frames": 300, "frames_per_second": 50.0},
    )
    cell = reverie.cells(folder)[0]
    assert (cell.state, cell.done, cell.per_second, cell.score) == ("stopped", 300, 50.0, 5.0)
    assert cell.seconds_left == 700 / 50
    (path / "failed.json").write_text('{"sentence": "No."}')
    assert (reverie.cells(folder)[0].state, reverie.cells(folder)[0].sentence) == ("failed", "No.")
    lease = Lease(path)
    assert reverie.cells(folder)[0].state == "running"
    lease.release()
    (path / "evaluation.json").write_text('{"mean": 7.0}')
    cell = reverie.cells(folder)[0]
    assert (cell.state, cell.done, cell.score) == ("done", 1000, 7.0)


def test_a_cell_without_a_line_of_its_log_is_stopped_once_it_has_a_checkpoint(folder):
    checkpoints = folder / "cells" / names(folder)[0] / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "checkpoint-000000000050.pt").touch()
    assert [cell.state for cell in reverie.cells(folder)] == ["stopped", "new"]


def test_the_time_left_takes_speeds_of_the_same_method_for_cells_that_have_none():
    def cell(method: str, done: int, speed: float | None, state: str = "running") -> Cell:
        return Cell("", Path(), method, "", 0, state, done, 100, "frames", speed)

    cells = [cell("a", 50, 10.0), cell("a", 0, None, "new"), cell("b", 0, 1.0), cell("b", 100, 1.0, "done")]
    assert state.seconds_left(cells, at_once=2) == max((5 + 10 + 100) / 2, 100)
    assert state.seconds_left(cells[:2], at_once=1) == 15
    assert state.seconds_left([cell("a", 0, None, "new")], at_once=1) is None
    assert state.seconds_left([cell("a", 100, 2.0, "done")], at_once=1) == 0


def test_status_imports_no_torch(folder):
    code = (
        "import sys; from reverie.cli.command_line import main\n"
        f"code = main(['sweep', {str(folder)!r}, '--status'])\n"
        "print(code, 'torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-2:] == ["0 %, 2 new of 2 cells", "0 False"]


# What is made


def test_a_sweep_is_ordinary_run_folders_and_a_list(folder):
    record = json.loads((folder / "sweep.json").read_text())
    place = {"method": "dreamer_v1", "task": "Pendulum-v1"}
    cells = {f"dreamer_v1-Pendulum-v1-{seed}": place | {"seed": seed} for seed in (0, 1)}
    assert record == {"format": 1, "reverie": "0.1.0", "suite": None, "threads": 1, "cells": cells}
    configs = [read_config(folder / "cells" / name) for name in cells]
    assert configs == [replace(config, threads=1) for config in methods(0, 1)["dreamer_v1"]]
    assert not (folder / "owner.json").exists()


def test_commands_resume_each_cell_that_is_not_complete(folder):
    first, second = (folder / "cells" / name for name in names(folder))
    (second / "failed.json").write_text('{"sentence": "No."}')
    assert sweeps.commands(folder) == [f"reverie resume {first}", f"reverie resume {second}"]
    assert not (second / "failed.json").exists()
    (first / "evaluation.json").write_text("{}")
    assert sweeps.commands(folder, methods(0, 1, 2)) == [
        f"reverie resume {second}",
        f"reverie resume {folder / 'cells' / 'dreamer_v1-Pendulum-v1-2'}",
    ]


def test_the_longest_comes_first(folder):
    log(folder / "cells" / names(folder)[0], {"kind": "train", "frames": 400})
    assert [job.folder.name[-1] for job in plan.Plan.read(folder, None).jobs()] == ["1", "0"]


def test_modules_of_the_user_reach_every_process(tmp_path):
    config = methods()["dreamer_v1"][0]
    config = replace(config, env=replace(config.env, id="worlds:Slide-v0"))
    assert sweeps.commands(tmp_path, {"mine": [config]})[0].endswith("mine-worlds-Slide-v0-0 --use=worlds")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"seeds": (0, 1, 1)}, "The seed 1 is named twice"),
        ({"recipes": ["dreamer_v9"]}, r"There is no recipe 'dreamer_v9'\. Did you mean"),
        ({"recipes": ["planet", "planet"]}, "The recipe planet is named twice"),
        ({"tasks": ["Pendulum-v9"]}, "Pendulum"),
        ({"tasks": ["ALE/Pongo-v5"]}, r"has no 'ALE/Pongo-v5'\. Did you mean ALE/Pong-v5"),
        ({"recipes": []}, "needs recipes"),
        ({"settings": {"seed": "3"}}, "`seed` is what a sweep varies: name the values by --seeds"),
        ({"settings": {"training.frame": "3"}}, "Did you mean training.frames"),
    ],
)
def test_a_mistake_in_the_grid_is_one_sentence(given, sentence):
    with pytest.raises(UserError, match=sentence):
        reverie.grid(**{"recipes": ["dreamer_v1"], "tasks": ["Pendulum-v1"], "size": "tiny"} | given)


def test_a_mistake_in_the_whole_changes_nothing(folder, tmp_path):
    before = sorted(path for path in folder.rglob("*") if path.is_file())
    other = r"is another sweep's: `training.frames` of dreamer_v1-Pendulum-v1-1 is 1000 there, and 900 here"
    with pytest.raises(UserError, match=other):
        reverie.sweep(folder, methods(1, 2, frames="900"))
    twice = methods()["dreamer_v1"] * 2
    with pytest.raises(UserError, match="has same-Pendulum-v1-0 twice"):
        reverie.sweep(folder, {"same": twice})
    with pytest.raises(UserError, match=r"--training.prefill 400 leaves none of --training.frames 300"):
        reverie.sweep(folder, methods(3, frames="300"))
    with pytest.raises(UserError, match=r"--on is `slurm`: give `ray`"):
        reverie.sweep(folder, on="slurm")
    python = replace(twice[0], env=replace(twice[0].env, id="python/Mine-v0"))
    with pytest.raises(UserError, match="was given as Python code"):
        reverie.sweep(folder, {"python": [python]})
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == before
    with pytest.raises(UserError, match=r"is not the folder of a sweep: it has no sweep.json"):
        reverie.sweep(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(UserError, match="is not the folder of a sweep, and not empty"):
        reverie.sweep(folder / "cells" / names(folder)[0], methods())


def test_a_second_sweep_of_a_folder_is_refused(folder):
    lease = Lease(folder)
    with pytest.raises(UserError, match=f"{folder} is in use by process {os.getpid()} on "):
        reverie.sweep(folder)
    lease.release()


def test_a_preparation_that_was_interrupted_is_made_again(folder):
    (folder / "sweep.json").unlink()
    (folder / "cells" / "dreamer_v1-Pendulum-v1-1" / "config.json").write_text("half")
    with pytest.raises(UserError, match=r"it has no sweep.json"):
        sweeps.commands(folder)
    assert len(sweeps.commands(folder, methods(0, 1))) == 2


# What is done when a process ends


class Scripted:
    """An executor whose cells end with the codes that a test gives, the next one at each start."""

    threads = 1

    def __init__(self, codes: dict[str, list], slots: int = 1) -> None:
        self.codes, self.slots, self.running, self.log = codes, slots, [], []

    @property
    def free(self) -> int:
        return self.slots - len(self.running)

    def start(self, job: Job) -> None:
        self.log.append(job.folder.name)
        code = self.codes[job.folder.name].pop(0)
        if isinstance(code, Exception):
            raise code
        self.running.append((job.folder, code))

    def ended(self) -> list[Ended]:
        ended, self.running = self.running, []
        for cell, code in ended:
            if isinstance(code, str):  # it crashed after a checkpoint of this name
                (cell / "checkpoints").mkdir(exist_ok=True)
                (cell / "checkpoints" / f"{code}.pt").touch()
            elif code == 0:
                (cell / "evaluation.json").write_text('{"mean": 1.0}')
        return [Ended(cell, 1 if isinstance(code, str) else code, f"code {code}") for cell, code in ended]

    def stop(self) -> None:
        self.log.append("stop")

    def close(self) -> None:
        self.log.append("close")


@pytest.fixture
def run(folder, monkeypatch):
    """Run the two cells with an executor that ends them with these codes."""
    monkeypatch.setattr(sweeps, "TICK", 0.0)

    def run(first: list, second: list, **options) -> tuple[list[Cell], list[str]]:
        executor = Scripted(dict(zip(names(folder), (first, second))))
        monkeypatch.setattr(sweeps, "_open_executor", lambda *arguments: executor)
        return reverie.sweep(folder, **options), [entry[-1] for entry in executor.log[:-1]]

    return run


def test_a_crash_is_tried_again_and_a_mistake_is_not(run, folder):
    cells, started = run([1, -9, 0], [2])
    assert started == ["0", "0", "0", "1"]
    assert [(cell.state, cell.sentence) for cell in cells] == [("done", ""), ("failed", "code 2")]
    assert json.loads((cells[1].folder / "failed.json").read_text()) == {"sentence": "code 2"}
    cells, started = run([], [0])
    assert (started, [cell.state for cell in cells]) == (["1"], ["done", "done"])


def test_a_cell_that_crashes_without_progress_fails_and_one_with_progress_goes_on(run):
    cells, started = run([1, 1, 1], ["checkpoint-1", "checkpoint-1", "checkpoint-2", "checkpoint-2", 0], retries=2)
    assert started == ["0"] * 3 + ["1"] * 5
    assert [cell.state for cell in cells] == ["failed", "done"]


def test_what_keeps_one_cell_from_starting_stops_no_other(run, monkeypatch):
    monkeypatch.setattr(sweeps, "atomic_write", lambda *arguments: (_ for _ in ()).throw(UserError("full")))
    cells, _ = run([OSError(28, "No space left on device")], [0])
    assert [cell.state for cell in cells] == ["failed", "done"]
    assert "No space left on device" in cells[0].sentence


def test_a_request_to_stop_reaches_the_executor(run, folder, monkeypatch):
    real = Scripted.ended

    def ended(executor: Scripted) -> list[Ended]:
        os.kill(os.getpid(), 15)
        return real(executor)

    monkeypatch.setattr(Scripted, "ended", ended)
    with pytest.raises(Interrupted, match=f"go on with `reverie sweep {folder}`"):
        run([1], [])


# The processes


def test_a_busy_cell_is_waited_for(folder, monkeypatch, capsys):
    cell, attempts = folder / "cells" / names(folder)[0], []

    def work(path: Path) -> None:
        attempts.append(path)
        if len(attempts) < 3:
            raise InUse("in use")
        (path / "evaluation.json").write_text("{}")

    monkeypatch.setattr(child, "BUSY", 0.0)
    monkeypatch.setattr(child, "_work", work)
    monkeypatch.setattr(child, "_end_with", lambda parent: None)
    assert child.main(cell, 1, []) == 0
    assert attempts == [cell] * 3


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("one\nreverie: Take less.\n\n", 2, "Take less."),
        ("Traceback\nRuntimeError: no\n", 1, "RuntimeError: no"),
        ("", 1, "It ended with exit code 1 and said nothing."),
        ("one\n", -9, "It was killed by SIGKILL, often for want of memory."),
        ("one\n", -15, "It was killed by SIGTERM."),
    ],
)
def test_the_last_words_of_a_process_are_its_sentence(tmp_path, text, code, words):
    (tmp_path / "output.txt").write_text(text)
    assert child.last_words(tmp_path, code) == words


def test_an_orphan_ends_at_once(tmp_path):
    process = subprocess.run([sys.executable, "-m", "reverie.runs.sweeps.child", tmp_path, "1"])
    assert process.returncode == child.SAVED


@pytest.mark.parametrize(
    ("cells", "jobs", "threads", "per_gpu", "gpus", "expected"),
    [
        (9, None, 0, 1, [], [{}] * 4),
        (9, None, 2, 1, [], [{}] * 2),
        (3, None, 0, 1, [], [{}] * 3),
        (9, 6, 2, 1, [], [{}] * 6),
        (0, None, 0, 1, [], [{}]),
    ],
)
def test_cores_decide_how_many_run_at_once(monkeypatch, cells, jobs, threads, per_gpu, gpus, expected):
    monkeypatch.setattr(embedded, "available_cores", lambda: 4)
    assert embedded.slots(cells, jobs, threads, per_gpu, gpus) == expected
    assert embedded.Embedded(expected).threads == max(1, 4 // len(expected))


def test_gpus_are_shared_by_as_many_as_were_asked_for():
    places = embedded.slots(9, None, 1, 2, ["2", "GPU-5a"])
    assert [place["CUDA_VISIBLE_DEVICES"] for place in places] == ["2", "GPU-5a", "2", "GPU-5a"]
    assert [place.get("MUJOCO_EGL_DEVICE_ID") for place in places] == ["2", None, "2", None]
    assert len(embedded.slots(9, 3, 1, 2, ["2", "3"])) == 3
    with pytest.raises(UserError, match=r"--jobs 5 does not fit, because --per-gpu 2 lets 4 run at once on 2 GPUs"):
        embedded.slots(9, 5, 1, 2, ["2", "3"])


def test_a_process_that_cannot_be_started_leaves_its_place_free(tmp_path):
    executor = embedded.Embedded([{}])
    with pytest.raises(OSError, match="No such file"):
        executor.start(Job(tmp_path / "none", 1, False))
    assert (executor.free, executor.ended()) == (1, [])


def test_gpus_are_those_that_the_environment_shows(monkeypatch):
    monkeypatch.setattr(embedded.torch.cuda, "device_count", lambda: 2)
    assert embedded.visible_gpus({}) == ["0", "1"]
    assert embedded.visible_gpus({"CUDA_VISIBLE_DEVICES": "3, 5"}) == ["3", "5"]


# Ray, without Ray


def test_a_node_that_does_not_fit_is_one_sentence(tmp_path):
    same = on_ray.versions()
    on_ray.refuse_unfit(on_ray.Answer("one", "", same), tmp_path)
    with pytest.raises(UserError, match=f"The node one does not see {tmp_path} .No such file.*storage that all nodes"):
        on_ray.refuse_unfit(on_ray.answer(tmp_path / "none" / "reply")._replace(host="one"), tmp_path)
    with pytest.raises(UserError, match=r"The node two has torch 1.0, and this machine has .*: install the same"):
        on_ray.refuse_unfit(on_ray.Answer("two", "", same | {"torch": "1.0"}), tmp_path)


def test_a_job_whose_folder_the_node_lacks_is_a_mistake(tmp_path):
    code, sentence = on_ray.run_job(Job(tmp_path / "none", 1, False), "/")
    assert (code, "does not see" in sentence) == (2, True)


def test_a_cluster_that_is_lost_is_one_sentence():
    executor = on_ray.RayExecutor.__new__(on_ray.RayExecutor)
    executor.running, executor.ray = {"task": Path()}, None  # every call of it fails
    for call in (executor.ended, executor.stop):
        with pytest.raises(UserError, match=r"The cluster does not answer any more: .* Give the same command"):
            call()


class FakeRay:
    """What `connect` uses of Ray."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.arguments = error, {}

    def is_initialized(self) -> bool:
        return False

    def init(self, **arguments) -> None:
        self.arguments = arguments | {name: os.environ[name] for name in on_ray.QUIET}
        if self.error:
            raise self.error


def test_ray_starts_without_reports_tokens_and_prints(monkeypatch):
    for name in on_ray.QUIET:
        monkeypatch.delenv(name, raising=False)
    ray = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    assert on_ray.connect(None) == (ray, True)
    assert (ray.arguments["RAY_USAGE_STATS_ENABLED"], ray.arguments["RAY_AUTH_MODE"]) == ("0", "disabled")
    assert (ray.arguments["log_to_driver"], ray.arguments["include_dashboard"]) == (False, False)


def test_a_cluster_that_does_not_answer_is_one_sentence(monkeypatch):
    for name in on_ray.QUIET:
        monkeypatch.setenv(name, "0")
    wrong = RuntimeError(
        "Version mismatch: The cluster was started with:\n    Ray: 2.60.0\nThis process:\n    Ray: 2.1.0"
    )
    monkeypatch.setitem(sys.modules, "ray", FakeRay(wrong))
    with pytest.raises(UserError) as caught:
        on_ray.connect("ray://head:10001")
    assert str(caught.value) == (
        "Ray at ray://head:10001 does not answer: Version mismatch: The cluster was started with: Ray: 2.60.0 This "
        "process: Ray: 2.1.0."
    )
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"Ray is not installed: pip install 'reverie\[cluster\]'"):
        on_ray.connect(None)


# What is shown


def cell(name: str, state: str = "running", done: int = 50, **values) -> Cell:
    return Cell(name, Path(name), "m", "t", 0, state, done, 100, "frames", **values)


def test_a_cell_is_one_line():
    assert board.line(cell("a", per_second=5.0, score=1.25)) == (
        "running   50 %  a  50 of 100 frames  return 1.2  10 s left"
    )
    assert board.line(cell("a", done=100)) == "running  100 %  a  100 of 100 frames  evaluating"
    assert board.line(cell("b", "failed", 0, sentence="No.")) == "failed     0 %  b  No."


def test_the_whole_is_one_line():
    cells = [cell("a", per_second=5.0), cell("b", "done", 100, per_second=5.0), cell("c", "new", 0)]
    assert board.summary(cells) == "50 %, 1 running, 1 done, 1 new of 3 cells, 30 s left"


def test_elsewhere_than_in_a_terminal_lines_tell_what_has_ended(monkeypatch, capsys):
    monkeypatch.setattr(board, "BETWEEN_LOOKS", 0.0)
    monkeypatch.setattr(board, "SHARE", 0)
    with board.open_board("the title", True) as show:
        for first in ("running", "done", "done", "done"):
            show(lambda: [cell("a", first, 100), cell("b", "new", 0)], False)  # noqa: B023
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["the title", "50 %, 1 running, 1 new of 2 cells, ? left", "done     100 %  a"]


def test_nothing_is_read_where_nothing_is_shown():
    with board.open_board("", False) as show:
        show(lambda: pytest.fail("it has looked"), True)


def test_a_terminal_shows_what_runs_first():
    from rich.console import Console

    cells = [cell(f"waits-{number}", "new", 0) for number in range(30)] + [cell("runs", per_second=5.0)]
    console = Console(width=100)
    with console.capture() as captured:
        console.print(board.panel("title", cells))
    shown = captured.get().splitlines()
    assert "title" in shown[0]
    assert "1 running, 30 new of 31 cells" in shown[2]
    assert "runs" in shown[3]
    assert "and 7 more" in shown[-2]
