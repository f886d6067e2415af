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


def test_a_network_from_elsewhere_keeps_its_weights(installed, tmp_path):
    """They are in the run's folder: the file is deleted before the run goes on, and the run acts as before."""
    program = f"""
import json, pathlib, warnings
from dataclasses import replace
import torch
from safetensors.torch import load_file, save_file
import reverie
from reverie.recipes import configure
from reverie.testing import check_image
from reverie_example.frozen import FrozenSmallConfig

folder, file = pathlib.Path({str(tmp_path)!r}), pathlib.Path({str(tmp_path / "net.safetensors")!r})
torch.manual_seed(3)
net = FrozenSmallConfig().network()
net[1].running_mean.normal_()
save_file(net.state_dict(), file)
assert check_image(FrozenSmallConfig(str(file))) == []
settings = {{"data": "Interaction", "data.train": "60", "data.test": "60", "training.updates": "6", "threads": "1",
            "training.checkpoint_every": "3", "model.encoder.image": "FrozenSmall",
            "model.encoder.image.weights": str(file)}}
config = configure("dreamer_v1", "tiny", "Pendulum-v1", settings)
whole = reverie.train(config, folder / "whole", evaluate=False)
short = replace(config, training=replace(config.training, updates=3))
reverie.train(short, folder / "short", evaluate=False)
file.unlink()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    reverie.resume(folder / "short", updates=6, evaluate=False)
    agent = reverie.load(folder / "short", "cpu")
encoder = agent.model.encoder.images["pixels"].train()
assert not encoder.network.training
assert all(torch.equal(x, net.state_dict()[name]) for name, x in encoder.network.state_dict().items())
one, other = (load_file(folder / name / "agent.safetensors") for name in ("whole", "short"))
assert all(torch.equal(x, other[name]) for name, x in one.items())
try:
    configure("dreamer_v1", "tiny", "Pendulum-v1", settings | {{"model.encoder.normalize": "true"}}).model.build(
        agent.config.spec)
except reverie.UserError as error:
    print(error)
print("ended")
"""
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, env=environment(installed), cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "take --model.encoder.normalize false" in done.stdout
    assert done.stdout.endswith("ended\n")


def test_without_the_package_one_sentence_names_it(run):
    refused = reverie(["evaluate", str(run), "--episodes", "1"])
    assert refused.returncode == 2
    assert "needs the plug-in reverie_example" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_its_recipe_is_listed(installed):
    listed = reverie(["recipes"], installed)
    assert "observer_planet" in listed.stdout, listed.stderr
