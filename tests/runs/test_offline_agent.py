"""Agents that learn from recordings alone: `--data` beside the recipe of an agent."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import reverie
from reverie.cli import command_line as main
from reverie.errors import UserError
from reverie.recipes import configure
from reverie.runs.config import OfflineConfig
from reverie.runs.logger import read_metrics
from reverie.runs.offline import OfflineRun
from reverie.runs.online import load_value

OBS = {"picture": np.zeros((16, 16, 3), np.uint8)}


def write(path: Path, episodes: int = 16, length: int = 15, rewarded: bool = True) -> Path:
    """Write episodes of `worlds:Slide-v0` by random actions: a white column, and a reward for being in the middle."""
    rng = np.random.default_rng(0)
    columns: dict[str, list] = {"picture": [], "actions": [], "rewards": [], "episode": []}
    for episode in range(episodes):
        place, reward = rng.uniform(4, 12), 0.0
        for _ in range(length):
            picture = np.zeros((16, 16, 3), np.uint8)
            picture[:, round(place)] = 255
            action = rng.uniform(-1, 1, 1)
            for name, value in zip(columns, (picture, action, reward, episode)):
                columns[name].append(value)
            place = float(np.clip(place + action[0], 0, 15))
            reward = 1 - abs(place - 8) / 8
    arrays = {name: np.array(values) for name, values in columns.items()}
    if not rewarded:
        del arrays["rewards"]
    np.savez(path, **arrays, low=np.array([-1.0]), high=np.array([1.0]))
    return path


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "slide.npz")


@pytest.fixture(scope="module", params=["dreamer_v1", "dreamer_v3"])
def learned(request, recordings, tmp_path_factory) -> Path:
    """The folder of an agent that has never played."""
    folder = tmp_path_factory.mktemp("offline") / "run"
    line = f"train {request.param} --size tiny --data Arrays --data.file {recordings} --run {folder} --threads 1"
    assert main.main([*line.split(), "--training.updates", "120"]) == 0
    return folder


@pytest.mark.slow
def test_an_agent_learns_from_recordings_alone(learned):
    """Its metrics are those of an online run, and at its intervals the model is judged on episodes held out."""
    lines = read_metrics(learned, "train")
    for name in ("loss/model", "loss/reward"):
        assert lines[-1][name] < lines[0][name]
    assert {"loss/actor", "imagined/return", "policy/entropy"} <= lines[0].keys()
    judged = read_metrics(learned, "evaluation")
    assert [line["updates"] for line in judged] == [0, 30, 60, 90, 120]
    assert judged[-1]["reconstruction"] > judged[1]["reconstruction"]
    assert "mean" not in json.loads((learned / "evaluation.json").read_text())


@pytest.mark.slow
def test_an_offline_agent_is_used_as_any_other(learned, tmp_path, capsys):
    agent = reverie.load(learned, "cpu")
    _, action = agent.act(None, OBS)
    assert action.shape == (1,)
    assert main.main(["evaluate", str(learned), "--episodes", "1"]) == 2
    assert "name one by --env.id" in capsys.readouterr().err
    assert main.main(["evaluate", str(learned), "--episodes", "2", "--env.id", "worlds:Slide-v0"]) == 0
    assert "mean return of 2 episodes" in capsys.readouterr().out
    assert main.main(["evaluate", str(learned), "--episodes", "1", "--env.id", "worlds:Buttons-v0"]) == 2
    assert "and 1 continuous actions: it gives" in capsys.readouterr().err
    value = load_value(learned, agent)
    assert value is not None
    assert value(torch.zeros(2, agent.model.dynamics.feature_size)).shape == (2, 1)
    assert reverie.export(agent, tmp_path / "agent.pt2") < 1e-5
    card = Path(reverie.push(learned, "me/offline", out=tmp_path / "card")) / "README.md"
    assert 'agent = reverie.load("hf:me/offline")' in card.read_text()


@pytest.mark.slow
def test_the_saved_policy_is_the_one_that_learned(recordings, tmp_path):
    config = reverie.recipe("dreamer_v1", "tiny", data=reverie.ArraysConfig(str(recordings), image_size=16))
    config = replace(config, threads=1, training=replace(config.training, updates=3))
    run = OfflineRun(config, tmp_path / "run")
    before = {name: x.clone() for name, x in run.learner.policy.state_dict().items()}
    run.recorded.load(lambda text: None)
    for _ in range(3):
        run.update(*run.next_batch())
    (tmp_path / "saved").mkdir()
    run.agent.save(tmp_path / "saved")
    saved = reverie.load(tmp_path / "saved", "cpu").actor.policy.state_dict()
    assert all(torch.equal(saved[name], x) for name, x in run.learner.policy.state_dict().items())
    assert any(not torch.equal(saved[name], x) for name, x in before.items())


def test_a_planner_learns_from_recordings_too(recordings):
    config = configure("planet", "tiny", None, {"data": "Arrays", "data.file": str(recordings)})
    run = OfflineRun(config, Path("unused"))
    assert run.learner is None
    assert run.agent.config.actor == config.behavior


def test_the_settings_are_those_of_the_world_that_was_recorded(recordings):
    data = {"data": "Arrays", "data.file": str(recordings)}
    unknown = configure("dreamer_v1", "laptop", None, data)
    assert isinstance(unknown, OfflineConfig)
    assert unknown.model == reverie.recipe("dreamer_v1", "laptop", "CartPole-v1").model
    assert (unknown.data.image_size, unknown.training.updates) == (64, 19_000)
    known = configure("dreamer_v1", "laptop", "Pendulum-v1", data)
    online = reverie.recipe("dreamer_v1", "laptop", "Pendulum-v1")
    assert (known.model, known.behavior) == (online.model, online.behavior)
    assert (known.data.image_size, known.training.updates) == (32, 1_750)
    assert configure("dreamer_v1", "auto", "Pendulum-v1", data) == known
    chosen = configure("dreamer_v1", "laptop", None, data | {"data.image_size": "48", "training.updates": "7"})
    assert (chosen.data.image_size, chosen.training.updates) == (48, 7)


def test_learning_rates_fall_as_in_the_environment():
    online, offline = (configure("dreamer_v3", "laptop", None, data) for data in ({}, {"data": "Interaction"}))
    assert online.training.cooldown == offline.training.cooldown == 0.4


def test_random_interaction_is_recorded_in_the_recipes_own_environment():
    config = configure("dreamer_v3", "tiny", None, {"data": "Interaction", "env.time_limit": "30"})
    online = reverie.recipe("dreamer_v3", "tiny")
    assert config.env == replace(online.env, time_limit=30)
    other = configure("dreamer_v3", "tiny", None, {"data": "Interaction", "data.env.id": "CartPole-v1"})
    assert other.world == "CartPole-v1"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--data.file {file}", "hold no reward but 0, so nothing can learn to act by them"),
        ("--data.file {file} --replay.latents true", "`--replay.latents` is for a run that plays an environment"),
        ("--data.file {file} --training.frames 100", "--training.updates is the budget"),
        ("--data.file {file} --env.repeat 2", "`--env.repeat` is for a run that plays an environment"),
        ("--data.file nowhere.npz", "nowhere.npz"),
        ("--data Digits", "hold no actions, so nothing can learn to act"),
        ("--data Interaction --data.env.id worlds:Nowhere-v0", "Nowhere"),
    ],
)
def test_a_mistake_is_one_sentence(words, sentence, tmp_path, capsys):
    data = "" if "--data " in words else "--data Arrays "
    words = data + words.format(file=write(tmp_path / "without.npz", rewarded=False))
    assert main.main(f"train dreamer_v1 --size tiny --run {tmp_path / 'run'} {words}".split()) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_data_that_are_read_late_are_checked_then(tmp_path):
    """Of random interaction nothing is known before it is recorded."""
    settings = {"data": "Interaction", "data.env.id": "worlds:Slide-v0", "data.train": "30", "data.test": "30"}
    config = configure("dreamer_v1", "tiny", None, settings | {"env.observe": "picture", "env.kwargs": ""})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worlds.Slide.step", unrewarded)
        with pytest.raises(UserError, match="hold no reward but 0"):
            reverie.train(config, tmp_path / "run", progress=False)


def unrewarded(world, action):
    world.place += float(action[0])
    return world.observe(), 0.0, False, False, {}


def test_a_model_without_beliefs_cannot_act(tmp_path):
    config = reverie.recipe("cvae", "tiny", "worlds:Slide-v0")
    behavior = reverie.recipe("dreamer_v1", "tiny").behavior
    with pytest.raises(UserError, match="Only a world model can act: set --behavior none"):
        OfflineRun(replace(config, behavior=behavior), tmp_path / "run")
