"""Faults while a sweep is running: its runs end as undisturbed ones, bit for bit.

Every drill runs the same four cells (`small_sweep.py`). Their logs without timings, their agents and their evaluations
are compared with those of runs in this process.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import small_sweep

import reverie
from reverie.runs.sweeps.state import newest_checkpoint
from reverie.runs.sweeps.sweep import commands

SUPPORT, ROOT = Path(__file__).parents[1] / "support", Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def result(folder: Path) -> tuple[list[str], bytes, bytes]:
    """Return what must not differ: the log without timings, the agent and its evaluation."""
    lines = [
        line for line in (folder / "metrics.jsonl").read_text().splitlines() if json.loads(line)["kind"] != "timing"
    ]
    return lines, (folder / "agent.safetensors").read_bytes(), (folder / "evaluation.json").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> list[Path]:
    """The folders of the same runs, each trained alone in this process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    configs = small_sweep.methods()["dreamer_v1"]
    return [reverie.train(config, folder / str(number)) for number, config in enumerate(configs)]


def assert_same(sweep: Path, undisturbed: list[Path]) -> None:
    cells = reverie.cells(sweep)
    assert [cell.state for cell in cells] == ["done"] * 4, [cell.sentence for cell in cells]
    for cell, expected in zip(cells, undisturbed):
        assert result(cell.folder) == result(expected)


@contextmanager
def driver(folder: Path, *on: str, **environment: str) -> Iterator[subprocess.Popen]:
    """Start a sweep in a process of its own, which prints to `FOLDER.txt`."""
    paths = os.pathsep.join([str(SUPPORT), str(ROOT)])
    command = [sys.executable, SUPPORT / "small_sweep.py", folder, *on]
    variables = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"} | environment
    with open(f"{folder}.txt", "w") as output:
        process = subprocess.Popen(command, env=variables, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(condition: Callable[[], object], process: subprocess.Popen) -> None:
    """Wait while the sweep runs. One that ends before the condition holds is an error."""
    while not condition():
        assert process.poll() is None
        time.sleep(0.01)


def owner(cell: Path) -> int:
    """Return the process that trains a cell, 0 where there is none."""
    with suppress(OSError, ValueError):
        return json.loads((cell / "owner.json").read_text())["pid"]
    return 0


def begun(folder: Path, decision: int) -> list[Path]:
    """Return the cells that a process trains now, and that have a checkpoint at this decision or later."""
    least = f"checkpoint-{decision:012d}.pt"
    return [cell for cell in (folder / "cells").glob("*") if newest_checkpoint(cell) >= least and owner(cell)]


def parent(pid: int) -> int:
    """Return the parent of a process, 0 where it has ended."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def first(candidates: Callable[[], list[int]], process: subprocess.Popen) -> int:
    """Wait for a process that is among the candidates at one look. A cell may end between two looks."""
    found: list[int] = []
    wait_for(lambda: found.extend(candidates()) or found, process)
    return found[0]


def test_killed_cells_and_a_killed_driver_lose_nothing(tmp_path, undisturbed):
    folder = tmp_path / "sweep"
    with driver(folder) as process:
        for decision, moment in ((20, 0.0), (40, 0.05), (60, 0.02)):
            wait_for(lambda: begun(folder, decision), process)  # noqa: B023
            time.sleep(moment)
            with suppress(ProcessLookupError):
                os.kill(owner(begun(folder, decision)[0]), signal.SIGKILL)
        wait_for(lambda: begun(folder, 20), process)
        second = subprocess.run([sys.executable, "-m", "reverie", "sweep", folder], capture_output=True, text=True)
        assert second.returncode != 0
        assert f"{folder} is in use by process {process.pid} on " in second.stderr
        process.kill()
    with driver(folder) as process:
        assert process.wait() == 0
    assert_same(folder, undisturbed)


def test_ctrl_c_saves_every_cell_and_names_the_command_that_goes_on(tmp_path):
    folder = tmp_path / "sweep"
    with driver(folder) as process:
        wait_for(lambda: begun(folder, 40), process)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    shown = (tmp_path / "sweep.txt").read_text()
    assert shown.endswith(f"Interrupted, and every cell was saved: go on with `reverie sweep {folder}`.\n")
    assert {cell.state for cell in reverie.cells(folder)} <= {"new", "stopped", "done"}
    assert any("Interrupted and saved" in path.read_text() for path in folder.glob("cells/*/output.txt"))
    assert not list(folder.rglob("owner.json"))


def test_a_full_disk_in_one_cell_stops_no_other(tmp_path, monkeypatch, undisturbed):
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    first, second, *_ = small_sweep.methods()["dreamer_v1"]
    commands(tmp_path, {"dreamer_v1": [first, second]})
    full = tmp_path / "cells" / "dreamer_v1-worlds-Slide-v0-0"
    (full / "metrics.jsonl").symlink_to("/dev/full")  # every write to it finds a full disk
    failed, done = reverie.sweep(tmp_path)
    assert (failed.state, done.state) == ("failed", "done")
    assert failed.sentence.startswith(f"The disk that holds {full} is full")
    assert result(done.folder) == result(undisturbed[1])
    (full / "metrics.jsonl").unlink()
    assert [cell.state for cell in reverie.sweep(tmp_path)] == ["done", "done"]
    assert result(full) == result(undisturbed[0])


def test_a_cluster_that_loses_a_worker_a_node_and_the_driver(tmp_path, undisturbed, monkeypatch):
    utilities = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed, or has no wheel here")
    home, folder = tmp_path / "home", tmp_path / "sweep"
    home.mkdir()
    paths = os.pathsep.join([str(SUPPORT), str(ROOT)])
    quiet = {"HOME": str(home), "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "PYTHONPATH": paths}
    for name, value in quiet.items():
        monkeypatch.setenv(name, value)
    store = {"object_store_memory": 80 * 2**20}
    cluster = utilities.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **store}
    )

    def add() -> object:
        return cluster.add_node(num_cpus=1, **store)

    try:
        nodes = {node.all_processes["raylet"][0].process.pid: node for node in (add(), add())}
        with driver(folder, "ray", RAY_ADDRESS=cluster.address) as process:

            def raylets(decision: int) -> list[int]:
                return [pid for cell in begun(folder, decision) if (pid := parent(parent(owner(cell)))) in nodes]

            def workers() -> list[int]:
                return [pid for cell in begun(folder, 20) if parent(pid := parent(owner(cell))) in nodes]

            os.kill(first(workers, process), signal.SIGKILL)
            cluster.remove_node(nodes[first(lambda: raylets(40), process)], allow_graceful=False)
            wait_for(lambda: begun(folder, 60), process)
            process.kill()
        with driver(folder, "ray", RAY_ADDRESS=cluster.address) as process:
            assert process.wait() == 0
    finally:
        cluster.shutdown()
    assert_same(folder, undisturbed)
    assert not [path for path in home.rglob("*") if {"ray", ".ray"} & set(path.parts) or "token" in path.name]
