"""Training and evaluation from Python: files, environments from code, callbacks."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_run
import worlds
from gymnasium.envs.classic_control import CartPoleEnv

import reverie
from reverie.envs import from_python
from reverie.errors import UserError
from reverie.progress import Callback
from reverie.runs import base
from reverie.runs.clocks import Pace
from reverie.runs.config import EvaluationConfig, read_config
from reverie.runs.evaluation import evaluate, imagine


def config(**training):
    made = small_run.config(**({"frames": 120, "prefill": 60} | training))
    evaluation = EvaluationConfig(every=0, episodes=1, final_episodes=2)
    return replace(made, env=replace(made.env, time_limit=20), evaluation=evaluation)


class Recorder(Callback):
    """Record the names of all events."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.returns: list[float] = []

    def on_progress(self, progress):
        self.events.append("progress")

    def on_episode(self, progress, undiscounted_return, decisions):
        self.events.append("episode")

    def on_train(self, progress, metrics):
        assert "loss/model" in metrics
        self.events.append("train")

    def on_evaluation(self, progress, values):
        assert progress.evaluation == values["return"]
        self.events.append("evaluation")

    def on_checkpoint(self, progress, path):
        assert path.exists()
        self.events.append("checkpoint")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run in an environment that is a class, and what its callbacks recorded."""
    recorder, shown = Recorder(), []
    made = replace(config(), evaluation=EvaluationConfig(every=100, episodes=1, final_episodes=2))
    folder = str(tmp_path_factory.mktemp("python") / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "SECONDS_BETWEEN", -1)  # show every progress
        assert str(reverie.train(made, folder, env=worlds.Slide, callbacks=[recorder, shown.append])) == folder
    return folder, recorder, shown


@pytest.mark.slow
def test_the_same_files_as_the_command(trained):
    folder, _, _ = trained
    names = {path.name for path in Path(folder).iterdir()}
    assert names >= {"evaluation.json", "evaluation.mp4", "curve.png", "open_loop.png", "agent.json", "config.json"}
    assert len(json.loads((Path(folder) / "evaluation.json").read_text())["returns"]) == 2
    assert read_config(Path(folder)).env.id == "python/Slide-v0"


@pytest.mark.slow
def test_callbacks_get_every_event(trained):
    _, recorder, shown = trained
    assert set(recorder.events) == {"progress", "episode", "train", "evaluation", "checkpoint"}
    assert shown[-1].done == 120
    assert any((progress.message or "").startswith("evaluating, episode 1 of 1") for progress in shown)


@pytest.mark.slow
def test_a_run_in_a_class_needs_it_again(trained, monkeypatch):
    folder, _, _ = trained
    monkeypatch.setattr(from_python, "_REGISTERED", {})
    for call in (lambda: reverie.resume(folder), lambda: evaluate(folder, 1), lambda: imagine(folder)):
        with pytest.raises(UserError, match=r"python/Slide-v0 was given as Python code: give it again as `env`"):
            call()


@pytest.mark.slow
def test_resuming_and_evaluating_in_the_class(trained):
    folder, _, _ = trained
    reverie.resume(folder, env=worlds.Slide, frames=140, evaluate=False)
    first = evaluate(folder, 2, env=worlds.Slide)
    again = evaluate(folder, 2, env=worlds.Slide())
    assert first.returns == again.returns == evaluate(reverie.load(folder), 2).returns
    assert first.files["evaluation"] != again.files["evaluation"]
    assert first.values["mean"] == first.mean
    other = evaluate(folder, 1, env={"time_limit": 6})
    assert other.values["lengths_frames"] == [6]


@pytest.mark.slow
def test_results_are_printed_where_progress_is_shown(trained, capsys):
    folder, _, _ = trained
    reverie.resume(folder, env=worlds.Slide)
    assert capsys.readouterr().out == ""
    reverie.resume(folder, env=worlds.Slide, progress=True)
    assert "mean return of 2 episodes" in capsys.readouterr().out


@pytest.mark.slow
def test_imagination_without_a_folder(trained):
    folder, _, _ = trained
    imagined = imagine(reverie.load(folder), context=2, horizon=3)
    assert imagined.files == {}
    assert imagined.loop.imagined.shape[0] == 5


@pytest.mark.slow
def test_one_object_is_played_and_left_open(tmp_path):
    closed = []

    class Own(worlds.Slide):
        def close(self):
            closed.append(True)

    world = Own(render_mode="rgb_array")
    made = config()
    reverie.train(made, tmp_path / "run", env=world, evaluate=False)
    assert closed == []
    assert world.observe()["picture"].shape == (16, 16, 3)
    busy = replace(made, evaluation=EvaluationConfig(every=100))
    with pytest.raises(UserError, match="cannot be evaluated while it is trained in"):
        reverie.train(busy, tmp_path / "busy", env=world)


@pytest.mark.parametrize(
    ("count", "env", "sentence"),
    [(2, worlds.Slide, "is played alone"), (1, "Slyde-v0", "Gymnasium has no environment")],
)
def test_a_mistake_about_the_environment_is_one_sentence(tmp_path, count, env, sentence):
    made = config()
    with pytest.raises(UserError, match=sentence):
        reverie.train(replace(made, env=replace(made.env, count=count)), tmp_path / "run", env=env)


def test_the_public_names_are_listed():
    assert {"train", "resume", "load", "load_model", "with_goal", "with_planner", "RSSMConfig"} <= set(dir(reverie))
    assert set(reverie.__all__) <= set(dir(reverie))
    assert reverie.RSSMConfig().build
    assert reverie.evaluate is evaluate  # no room of this name hides it
    assert reverie.imagine is imagine
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        reverie.trian  # noqa: B018


def test_the_time_left_counts_steps_and_updates_apart():
    pace = Pace()
    pace.times["step"].extend([0.01] * 10)
    assert pace.remaining(100, 10) is None  # no update yet: its time is unknown
    pace.times["update"].extend([0.5] * 3)
    assert pace.remaining(100, 10) == pytest.approx(6)


@pytest.mark.slow
def test_a_model_towards_an_image(tmp_path, capsys):
    """CFM on an environment without goals gives an agent, and a file gives it its goal image."""
    from PIL import Image

    from reverie.cli import command_line as main

    folder, picture = tmp_path / "run", tmp_path / "up.png"
    budget = "--training.updates 8 --training.evaluate_every 4 --data.train 60 --data.test 40 --data.env.image_size 16"
    assert main.main(f"train cfm --env.id Pendulum-v1 --size tiny --run {folder} {budget}".split()) == 0
    assert f"`reverie evaluate {folder} --goal up.png`" in capsys.readouterr().out
    Image.fromarray(np.full((40, 30, 4), 200, np.uint8)).save(picture)
    assert main.main(f"evaluate {folder} --episodes 1 --env.time_limit 10 --goal {picture}".split()) == 0
    assert re.search(r"distance to the goal image \(rms of 255\): \d", capsys.readouterr().out)
    for goal, sentence in {
        "": "give it an image, such as --goal up.png",
        " --goal up": "Pendulum-v1 has no goal named 'up'",
        " --goal none.png": "none.png is not an image that can be read",
    }.items():
        assert main.main(f"evaluate {folder}{goal}".split()) == 2
        error = capsys.readouterr().err
        assert sentence in error
        assert len(error.splitlines()) == 1
    with pytest.raises(UserError, match=r"give one \(height, width, 3\) of uint8"):
        evaluate(folder, 1, goal=np.zeros((9, 9, 1), np.uint8))


@pytest.mark.parametrize("env", ["CartPole-v1", CartPoleEnv, lambda: CartPoleEnv(render_mode="rgb_array")])
def test_one_environment_is_made_from_an_id_or_from_code(env):
    environment = reverie.make_env(env, observe=("state",), time_limit=20)
    try:
        step = environment.reset(seed=0)
        assert step.obs["state"].shape == (4,)
    finally:
        environment.close()
    with pytest.raises(UserError, match=r"no setting `env\.imagesize`"):
        reverie.make_env("CartPole-v1", imagesize=3)
