"""The example plug-in, installed into a fresh folder: its runs survive being killed, and are read back with it only."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def environment(*folders: Path) -> dict[str, str]:
    """The variables of a process that finds Reverie and what lies in `folders`."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (*folders, ROOT)))}


def reverie(words: list[str], *folders: Path) -> subprocess.CompletedProcess[str]:
    """A command of Reverie's, in a process of its own."""
    command = [sys.executable, "-m", "reverie", *words]
    return subprocess.run(command, env=environment(*folders), cwd=ROOT, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The folder that the example was installed into."""
    source = shutil.copytree(ROOT / "examples" / "plugin", tmp_path_factory.mktemp("source") / "plugin")
    target = tmp_path_factory.mktemp("installed")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True, timeout=300)
    return target


@pytest.fixture(scope="module")
def run(installed, tmp_path_factory) -> Path:
    """The folder of a run that was killed after its first checkpoint and then resumed to its end."""
    folder = tmp_path_factory.mktemp("runs") / "observer"
    words = ["train", "observer_planet", "--size", "tiny", "--threads", "1", "--device", "cpu", "--run", str(folder)]
    words += ["--training.checkpoint_every", "20", "--training.frames", "500"]
    process = subprocess.Popen(
        [sys.executable, "-m", "reverie", *words],
        env=environment(installed),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 300
    while not list((folder / "checkpoints").glob("*.pt")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    resumed = reverie(["resume", str(folder)], installed)
    assert resumed.returncode == 0, resumed.stderr
    return folder


def test_a_run_names_its_plugin(run):
    config = json.loads((run / "config.json").read_text())
    assert config["plugins"] == ["reverie_example"]
    assert config["model"]["dynamics"]["plugin"] == "reverie_example"
    assert config["behavior"]["planner"]["plugin"] == "reverie_example"


def test_a_resumed_run_loads_and_is_evaluated(run, installed):
    program = f"""
import reverie
from reverie.cli import main
print(type(reverie.load({str(run)!r}).model.dynamics).__name__)
assert main(["evaluate", {str(run)!r}, "--episodes", "1"]) == 0
"""
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, env=environment(installed), cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Observer\n")


def test_without_the_package_one_sentence_names_it(run):
    refused = reverie(["evaluate", str(run), "--episodes", "1"])
    assert refused.returncode == 2
    assert "needs the plug-in reverie_example" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_its_recipe_is_listed(installed):
    listed = reverie(["recipes"], installed)
    assert "observer_planet" in listed.stdout, listed.stderr
