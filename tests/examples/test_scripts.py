"""The example scripts do what they say, at a small size."""

import json
import os
import subprocess
import sys
from pathlib import Path

import processes
import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def process():
    with processes.one_process(MPLBACKEND="Agg", OMP_NUM_THREADS="1") as process:
        yield process


def test_every_example_is_in_the_table():
    table = (EXAMPLES / "README.md").read_text()
    files = [
        path.relative_to(EXAMPLES) for pattern in ("*.py", "*.sh", "notebooks/*.py") for path in EXAMPLES.glob(pattern)
    ]
    assert [str(path) for path in files if f"]({path})" not in table] == []


@pytest.mark.slow
def test_an_environment_of_ones_own_is_trained_and_evaluated(process, tmp_path):
    words = ["--frames", "420", "--run", "run"]
    printed = process.submit(processes.program, EXAMPLES / "own_environment.py", words, tmp_path).result()
    assert printed.splitlines()[-1].startswith("mean return ")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["env"]["observe"] == ["camera", "speed"]
    assert 0 < json.loads((tmp_path / "run" / "evaluation.json").read_text())["mean"] <= 100


@pytest.mark.slow
def test_an_environment_of_ones_own_keeps_the_contract(process):
    words = ["check-env", "own_environment:Magnet-v0"]
    code, printed = process.submit(processes.command, words, EXAMPLES).result()
    assert code == 0, printed


@pytest.mark.slow
def test_recordings_become_a_model_with_errors_by_steps_ahead(process, tmp_path):
    words = ["--demo", "10", "--size", "tiny", "--updates", "20", "--horizon", "4", "--run", "run"]
    printed = process.submit(processes.program, EXAMPLES / "offline_robot.py", words, tmp_path).result().splitlines()
    start = printed.index("steps ahead   model   last image   mean image") + 1
    rows = [[float(word) for word in line.split()] for line in printed[start : start + 4]]
    assert [row[0] for row in rows] == [1, 2, 3, 4]
    assert rows[0][2] < min(row[2] for row in rows[1:])  # a pushed square moves away from the last image
    result = json.loads(printed[-1])
    assert 0 <= result["trusted_steps"] <= 4
    assert (tmp_path / result["open loop"]).exists()


def stand_in(folder: Path, name: str, lines: str) -> None:
    """Write an executable shell script."""
    (folder / name).write_text(f"#!/usr/bin/env bash\n{lines}\n")
    (folder / name).chmod(0o755)


def run_sweep(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the example script with the stand-ins of `folder` first on the path."""
    environment = (
        os.environ | variables | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    )
    command = [str(EXAMPLES / "cluster_sweep.sh"), *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(("where", "last"), [("local", "--threads 1 --size tiny"), ("ray", "--size tiny --on ray")])
def test_a_sweep_here_or_on_ray_is_one_command(where, last, tmp_path):
    stand_in(tmp_path, "reverie", 'echo "$@"')
    done = run_sweep(tmp_path, where, "runs/first", "--size", "tiny", RECIPES="dreamer_v2 planet", SEEDS="0:2")
    assert done.returncode == 0, done.stderr
    start = "sweep runs/first --recipes dreamer_v2 planet --tasks Pendulum-v1 --seeds 0:2 "
    assert done.stdout.startswith(start)
    assert done.stdout.strip().endswith(last)


def test_a_sweep_knows_no_other_place(tmp_path):
    done = run_sweep(tmp_path, "moon", "runs/first")
    assert done.returncode == 2
    assert "local, ray or slurm, not 'moon'" in done.stderr


@pytest.mark.slow
def test_a_sweep_with_slurm_is_an_array_of_the_cells_that_waits_for_their_owners(tmp_path):
    stand_in(tmp_path, "reverie", f'exec {sys.executable} -m reverie "$@"')
    stand_in(tmp_path, "sbatch", 'echo "$@" > options; SLURM_ARRAY_TASK_ID=2 exec bash "${@: -2}"')
    stand_in(tmp_path, "srun", 'echo "$3" >> started; [ $(wc -l < started) -gt 1 ] || exit 75')
    stand_in(tmp_path, "sleep", 'echo "$@" > slept')
    done = run_sweep(tmp_path, "slurm", "cells", "--size", "tiny", RECIPES="dreamer_v1", SEEDS="0:2")
    assert done.returncode == 0, done.stderr
    assert "--array=1-2 --cpus-per-task=1" in (tmp_path / "options").read_text()
    started = (tmp_path / "started").read_text().splitlines()
    assert started == [(tmp_path / "cells.commands.txt").read_text().splitlines()[1]] * 2
    assert started[0].startswith("reverie resume ")
    assert (tmp_path / "slept").read_text() == "30\n"
