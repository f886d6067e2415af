"""`reverie evaluate` with planners and objectives, on runs that were trained for it."""

from dataclasses import replace

import pytest
import small_run

import reverie
from reverie.cli import command_line as main
from reverie.planning.actor import PlanningConfig
from reverie.planning.cem import ICEMConfig
from reverie.runs.evaluation import plan_with

pytestmark = pytest.mark.slow


def run(line, capsys):
    code = main.main(line.split())
    return code, capsys.readouterr()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two tiny runs: one that learned a policy and a value, one that plans."""
    folder, policy = tmp_path_factory.mktemp("runs"), small_run.config()
    reverie.train(replace(policy, behavior=replace(policy.behavior, gamma=0.97)), folder / "policy", evaluate=False)
    reverie.train(
        replace(small_run.config(), behavior=PlanningConfig(ICEMConfig(horizon=3))), folder / "planner", evaluate=False
    )
    return folder


SMALL = "--planner CEM --planner.candidates 8 --planner.elites 2 --planner.iterations 2 --planner.horizon 3"


def test_a_planner_acts_in_the_model_of_a_policy(runs, capsys):
    line = f"evaluate {runs}/policy --episodes 2 --device cpu"
    code, plain = run(line, capsys)
    assert code == 0
    code, planned = run(f"{line} {SMALL}", capsys)
    assert code == 0
    assert planned.out.splitlines()[-2].startswith("mean return of 2 episodes: ")
    assert planned.out != plain.out
    code, valued = run(f"{line} {SMALL} --objective RewardAndValue --objective.gamma 0.9", capsys)
    assert code == 0
    assert len({plain.out, planned.out, valued.out}) == 3


@pytest.mark.parametrize(
    ("settings", "gamma"),
    [
        ({"objective": "RewardAndValue"}, 0.97),
        ({"objective": "RewardAndValue", "objective.gamma": "0.9"}, 0.9),
        ({"objective": "RewardSum"}, 1.0),
    ],
)
def test_beside_a_value_rewards_are_discounted_as_it_was_learned(runs, settings, gamma):
    folder = runs / "policy"
    assert plan_with(reverie.load(folder), folder, settings).config.actor.objective.gamma == gamma


def test_a_moment_is_drawn(runs, tmp_path, capsys):
    out = tmp_path / "new" / "plans.png"
    code, printed = run(f"evaluate {runs}/policy --episodes 1 --moment 2 --out {out} {SMALL} --num_samples 2", capsys)
    assert code == 0
    *_, sentence, _, where = printed.out.splitlines()
    assert sentence.startswith("decision 2: 16 candidates scored ")
    assert "the executed plan's predicted return over 3 decisions is " in sentence
    assert where.split() == ["plans", str(out)]
    assert out.stat().st_size > 0


def test_a_run_that_plans_keeps_its_settings(runs, capsys):
    line = f"evaluate {runs}/planner --episodes 1 --moment 0"
    code, own = run(line, capsys)
    assert code == 0
    assert "over 3 decisions" in own.out
    assert (runs / "planner" / "evaluations" / "001" / "plans.png").exists()
    code, changed = run(f"{line} --planner.candidates 20 --planner.iterations 1", capsys)
    assert code == 0
    assert "decision 0: 24 candidates" in changed.out  # 20, 3 elites, the mean
    assert "over 3 decisions" in changed.out


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "policy --planner CMA",
            "`--planner` cannot be `CMA`; it is one of CEM, ICEM, ",
        ),
        ("policy --planner.candidats 3", "There is no setting `--planner.candidats`."),
        (
            "policy --planner RandomShooting --planner.xyz 3",
            "There is --planner.horizon, --planner.candidates, --planner.keep_start.",
        ),
        ("policy --planner CEM --planner.candidates 50", "CEM cannot keep the best 100 of 50 candidates"),
        ("policy --planner.horizon 0", "`--planner.horizon` is 0: it must be 1 or more."),
        ("policy --num_samples -1", "`--num_samples` is -1: it must be 0 or more."),
        ("planner --objective RewardAndValue", "This agent has learned no value to plan with"),
        ("policy --moment 1", "name a planner, such as --planner ICEM."),
        ("policy --out plans.png", "say which by --moment N."),
    ],
)
def test_a_mistake_about_planning_is_one_sentence(line, sentence, runs, capsys):
    code, printed = run(f"evaluate {runs}/{line}", capsys)
    assert code == 2
    assert sentence in printed.err
    assert len(printed.err.splitlines()) == 1
    assert printed.out == ""


def test_a_moment_after_the_end_is_one_sentence(runs, capsys):
    code, printed = run(f"evaluate {runs}/planner --episodes 1 --moment 900", capsys)
    assert code == 2
    assert "there is no moment 900, take 0 to " in printed.err
