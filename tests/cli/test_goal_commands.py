"""From random interaction with the rope to a goal image, by what a user types."""

import json
import re

import pytest
from PIL import Image

from reverie.cli import command_line as main

pytest.importorskip("mujoco")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "cfm"
    budget = "--training.updates 8 --training.evaluate_every 4 --data.train 60 --data.test 40 --goal_episodes 2"
    assert main.main(f"train cfm --size tiny --run {folder} {budget}".split()) == 0
    return folder


def evaluated(folder, capsys, options: str) -> str:
    assert main.main(f"evaluate {folder} --episodes 2 {options}".split()) == 0
    return capsys.readouterr().out


def test_training_ends_with_the_goals_of_the_recipe(trained):
    goals = json.loads((trained / "goals.json").read_text())
    assert set(goals["goals"]) == {"horizontal", "random"}
    assert goals["episodes"] == 2
    for goal in goals["goals"]:
        with Image.open(trained / f"goal-{goal}.png") as film:
            assert film.size[0] > 7 * 64
    assert json.loads((trained / "evaluation.json").read_text())["rankme"] > 0


def test_one_goal_is_named_and_the_same_seed_gives_the_same_episodes(trained, tmp_path, capsys):
    one, again = (evaluated(trained, capsys, f"--goal 45 --seed 3 --out {tmp_path}").splitlines()[0] for _ in range(2))
    assert one == again
    assert re.fullmatch(
        r"goal 45: distance \d\.\d\d at the start, \d\.\d\d \(standard deviation \d\.\d\d\) after the last action, .*"
        r"at random \d\.\d\d; overlap 0\.\d\d, success \d+ % of 2 episodes",
        one,
    )
    assert (tmp_path / "goal-45.png").exists()


def test_other_planners_take_the_same_goal(trained, tmp_path, capsys):
    printed = evaluated(
        trained,
        capsys,
        f"--goal random --out {tmp_path} --planner ICEM --planner.horizon 2 --planner.candidates 8 --planner.elites 2",
    )
    assert "goal random: distance" in printed


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--goal sideways", "There is no goal 'sideways'"),
        ("--goal 45 --video film.mp4", "shown as film strips"),
    ],
)
def test_a_mistake_is_one_sentence(trained, options, sentence, capsys, tmp_path):
    assert main.main(f"evaluate {trained} --episodes 1 --out {tmp_path} {options}".split()) == 2
    printed = capsys.readouterr().err
    assert sentence in printed
    assert len(printed.strip().splitlines()) == 1
