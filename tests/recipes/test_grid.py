"""Grids of configs, and the named lists of tasks."""

import importlib.util
import json
from pathlib import Path

import pytest

import reverie
from reverie import envs
from reverie.envs.atari import AtariProtocol, _read_protocol
from reverie.envs.dm_control import PUBLISHED_TASKS
from reverie.errors import UserError
from reverie.evaluation.human_scores import SCORES
from reverie.runs.sweeps.suites import SUITES, find_protocol

TASKS = {"dmc20": 20, "dmc_proprio18": 18, "atari55": 55, "atari26_100k": 26, "minatar5": 5, "classic": 5}


def test_a_grid_has_each_recipe_task_and_seed():
    made = reverie.grid(["dreamer_v1", "planet"], ["Pendulum-v1", "MountainCarContinuous-v0"], range(3), size="tiny")
    assert list(made) == ["dreamer_v1", "planet"]
    for recipe, configs in made.items():
        assert [(config.recipe, config.env.id, config.seed) for config in configs] == [
            (recipe, task, seed) for task in ("Pendulum-v1", "MountainCarContinuous-v0") for seed in range(3)
        ]


def test_without_tasks_each_recipe_has_its_own():
    made = reverie.grid(["dreamer_v1", "vae"], size="tiny", settings={"training.batch": 7})
    assert [config.world for (config,) in made.values()] == ["Pendulum-v1", "digits"]
    assert [config.training.batch for (config,) in made.values()] == [7, 7]


def test_a_setting_of_the_environment_reaches_recorded_interaction_too():
    ((config,),) = reverie.grid(["naive"], ["Pendulum-v1"], size="tiny", settings={"env.image_size": "24"}).values()
    assert config.env.image_size == 24


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_gives_its_tasks_with_protocol_and_budget(name, monkeypatch):
    monkeypatch.setattr(envs, "require_id", lambda env_id: None)  # extras may be missing
    suite = SUITES[name]
    assert len(set(suite.tasks)) == len(suite.tasks) == TASKS[name]
    for reference in suite.protocols:
        (configs,) = reverie.suite(name, ["dreamer_v2"], [0, 1], reference=reference).values()
        assert [config.env.id for config in configs[::2]] == list(suite.tasks)
        assert {(config.training.frames, config.size) for config in configs} == {(suite.frames, suite.size)}
        if name.startswith("atari"):
            _read_protocol(configs[0].env)


def test_lists_are_those_of_the_literature():
    assert set(SUITES["dmc20"].tasks) == {task.id for task in PUBLISHED_TASKS.values()}
    assert set(SUITES["dmc20"].tasks) - set(SUITES["dmc_proprio18"].tasks) == {
        "dm_control/quadruped-run-v0",
        "dm_control/quadruped-walk-v0",
    }
    assert SUITES["atari55"].tasks == tuple(f"ALE/{game}-v5" for game in SCORES)
    assert set(SUITES["atari26_100k"].tasks) < set(SUITES["atari55"].tasks)


@pytest.mark.parametrize("name", SUITES)
def test_every_task_of_a_suite_can_be_played(name):
    package = {"dmc": "dm_control", "ata": "ale_py", "min": "minatar", "cla": "gymnasium"}[name[:3]]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    for task in SUITES[name].tasks:
        envs.require_id(task)


def test_protocols_are_those_of_the_references():
    def protocol(suite: str, reference: str | None = None) -> AtariProtocol:
        ((config, *_),) = reverie.suite(suite, ["dreamer_v2"], reference=reference).values()
        assert config.env.repeat == 4
        return _read_protocol(config.env)

    assert protocol("atari55") == AtariProtocol()
    assert protocol("atari26_100k") == AtariProtocol(sticky=0, noops=0, grayscale=False)
    head = AtariProtocol(sticky=0, noops=30, full_actions=False, grayscale=False)
    assert protocol("atari26_100k", "dreamer_v3_head") == head
    (configs,) = reverie.suite("atari55", ["dreamer_v2"], reference="dreamer_v3").values()
    assert configs[0].env.image_size == 96
    (configs,) = reverie.suite("dmc_proprio18", ["dreamer_v1"]).values()
    assert (configs[0].env.observe, configs[0].env.repeat) == (("all",), 2)


def test_the_user_decides_on_size_frames_tasks_and_settings():
    chosen = {"tasks": ["CartPole-v1"], "size": "tiny", "settings": {"training.frames": "900", "env.repeat": "4"}}
    ((config,),) = reverie.suite("classic", ["dreamer_v1"], **chosen).values()
    assert (config.env.id, config.size, config.training.frames, config.env.repeat) == ("CartPole-v1", "tiny", 900, 4)


def test_unknown_names_of_suites_are_one_sentence():
    with pytest.raises(UserError, match=r"There is no suite `dmc`. Did you mean dmc20 or dmc_proprio18\?"):
        reverie.suite("dmc", ["dreamer_v1"])
    with pytest.raises(UserError, match=r"The suite classic has no task Cartpole-v1. Did you mean CartPole-v1\?"):
        reverie.suite("classic", ["dreamer_v1"], tasks=["Cartpole-v1"])
    with pytest.raises(UserError, match=r"The suite atari55 has no protocol `v3`."):
        find_protocol("atari55", "v3")


def test_random_and_human_scores_are_read_where_the_evaluation_has_them():
    path = Path(reverie.__file__).parent / "evaluation" / "human_scores.json"
    assert list(json.loads(path.read_text())) == list(SCORES)
