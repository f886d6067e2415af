"""A few random kills of two kinds of runs. `bench/drills.py` has hundreds of every kind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_killed_runs_end_as_undisturbed_ones(tmp_path):
    words = ["--kills", "6", "--minutes", "5", "--kinds", "evolution;collect", "--out", tmp_path / "drills.json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, ROOT / "bench" / "drills.py", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads((tmp_path / "drills.json").read_text())
    assert counts["kills"] >= 6
    assert counts["equal"] == counts["runs"]
    assert counts["failures"] == []


def test_the_published_drills_met_every_kind_and_all_were_equal():
    counts = json.loads((ROOT / "bench" / "results" / "drills.json").read_text())
    assert counts["kills"] >= 100
    assert counts["equal"] == counts["runs"]
    assert counts["failures"] == []
    assert len(counts["signals"]) >= 8
    for signals in counts["signals"].values():
        assert {"SIGKILL", "SIGTERM"} <= signals.keys()
