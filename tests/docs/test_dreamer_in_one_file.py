"""`docs/dreamer_in_one_file.py` and the library are the same algorithm: same weights and noise, same numbers."""

import importlib.util
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import reverie
from reverie.models.world_model import WorldModel
from reverie.nn.optimizer import Optimizer
from reverie.runs.update import draw_noise, make_update
from reverie.spaces import ActionSpace, EnvSpec, Space

ROOT = Path(__file__).parents[2]


def script(path: Path) -> ModuleType:
    """Import a file that is in no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def one_file():
    return script(ROOT / "docs" / "dreamer_in_one_file.py")


@pytest.fixture(scope="module")
def bench(one_file):
    path = list(sys.path)
    yield script(ROOT / "bench" / "update.py")
    sys.path[:] = path


@pytest.fixture
def settings(one_file):
    return replace(one_file.Settings(), batch=3, length=5)


def test_imports_nothing_of_the_library():
    text = (ROOT / "docs" / "dreamer_in_one_file.py").read_text()
    assert "import reverie" not in text
    assert "from reverie" not in text


def test_every_linked_file_exists():
    text = (ROOT / "docs" / "dreamer_in_one_file.py").read_text()
    links = set(re.findall(r"reverie/\w+/(?:\w+\.py)?", text))
    assert len(links) > 12
    assert all((ROOT / link).exists() for link in links)


def test_settings_are_those_of_the_demo(one_file):
    settings, config = one_file.Settings(), reverie.recipe("dreamer_v1", "laptop", "Pendulum-v1")
    training = config.training
    assert (settings.env, settings.image_size, settings.repeat) == ("Pendulum-v1", config.env.image_size, 2)
    assert (settings.frames, settings.prefill) == (training.frames, training.prefill)
    assert (settings.round, settings.updates) == (training.round, training.updates)
    assert (settings.batch, settings.length) == (training.batch, training.length)
    assert settings.exploration == config.behavior.policy.exploration


@pytest.mark.slow
def test_two_updates_equal_the_librarys(one_file, bench, settings):
    """Losses and parameters, with float32's tolerance: the two sum in different orders."""
    torch.manual_seed(0)
    config = reverie.recipe("dreamer_v1", "laptop", "Pendulum-v1")
    spec = EnvSpec({"pixels": Space((32, 32, 3), "uint8")}, ActionSpace(1, False), 2)
    model = WorldModel(config.model, spec)
    learner = config.behavior.build(spec, model.dynamics.feature_size)
    optimizers = {"model": Optimizer(config.model.optimizer, model.parameters()), **learner.optimizers()}
    update = make_update(model, learner, optimizers, "eager")
    batch = bench.random_batch(settings, torch.device("cpu"))
    batch.is_first[1, 3] = True
    model.calibrate(batch)
    dreamer = one_file.Dreamer(settings)
    pairs = bench.copy_weights(model, learner, dreamer)
    columns = batch.obs["pixels"], batch.action, batch.reward, batch.is_first
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        noise = draw_noise(model, learner, settings.batch, settings.length, generator)
        metrics = update(batch, noise)
        with bench.fixed_noise(noise):
            losses = dreamer.update(*columns)
        for name, own_name in bench.LOSSES.items():
            torch.testing.assert_close(losses[own_name], metrics[f"loss/{name}"], rtol=1e-4, atol=1e-5)
    for ours, theirs in pairs:
        torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=2e-4)


def test_calibration_equals_the_librarys(one_file, bench, settings):
    spec = EnvSpec({"pixels": Space((32, 32, 3), "uint8")}, ActionSpace(1, False), 2)
    model = WorldModel(reverie.recipe("dreamer_v1", "laptop", "Pendulum-v1").model, spec)
    batch, dreamer = bench.random_batch(settings, torch.device("cpu")), one_file.Dreamer(settings)
    model.calibrate(batch)
    dreamer.model.calibrate(batch.obs["pixels"])
    torch.testing.assert_close(dreamer.model.normalize(batch.obs["pixels"]), model.normalize(batch.obs)["pixels"])


def test_replay_returns_the_columns_that_were_added(one_file, settings):
    replay = one_file.Replay(replace(settings, frames=20))
    for number in range(8):
        image = np.full((32, 32, 3), number, np.uint8)
        replay.add(image, np.full(1, number, np.float32), float(number), number == 0)
    image, action, reward, first = replay.sample(batch=50, length=3)
    assert (image[:, :, 0, 0, 0] == reward).all()
    assert (action[..., 0] == reward).all()
    assert (reward.diff(dim=1) == 1).all()
    assert (first == (reward == 0)).all()
    assert set(reward[:, 0].tolist()) == set(range(6))


@pytest.mark.slow
def test_trains_and_evaluates(one_file, capsys):
    settings = replace(one_file.Settings(), frames=600, prefill=300, round=50, updates=2, batch=4, length=8)
    returns = one_file.evaluate(one_file.train(settings), episodes=1)
    assert len(returns) == 1
    assert -2_000 < returns[0] <= 0
    printed = capsys.readouterr().out
    assert printed.count("return") == 3 + 3  # of three episodes, and imagined after three rounds of updates
