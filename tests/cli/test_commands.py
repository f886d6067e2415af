import json
from dataclasses import replace

import pytest
import small_run

import reverie
from reverie import recipes
from reverie.cli import main
from reverie.cli.commands import evaluate, train
from reverie.config.overrides import as_text, leaves, override
from reverie.planning.actor import PlanningConfig
from reverie.planning.cem import ICEMConfig


def run(line, capsys):
    code = main.main(line.split())
    return code, capsys.readouterr()


def test_recipes_are_listed(capsys):
    code, printed = run("recipes", capsys)
    assert code == 0
    assert [line.split()[0] for line in printed.out.splitlines()] == recipes.names()


def test_show_prints_what_can_be_typed_again(capsys):
    code, printed = run("show dreamer_v1 --size tiny --seed 7 --training.frames 1e3", capsys)
    shown, _, text = printed.out.partition("\n\n")
    texts = {path: value for path, _, value in (line.partition(" ") for line in shown.splitlines())}
    texts = {path: value.strip() for path, value in texts.items()}
    assert code == 0
    assert (texts["seed"], texts["training.frames"], texts["size"]) == ("7", "1000", "tiny")
    config = recipes.build("dreamer_v1", "tiny", None)
    again = override(config, texts)
    assert {path: as_text(value) for path, value in leaves(again).items()} == texts
    assert "Reading path" in text


def test_the_environment_decides_the_recipes_defaults(capsys):
    _, printed = run("show dreamer_v1 --size paper --env.id dm_control/cartpole-swingup-v0", capsys)
    assert "env.id" in printed.out
    assert "dm_control/cartpole-swingup-v0" in printed.out


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("show dremer_v1", "Did you mean dreamer_v1?"),
        ("show dreamer_v1 --size huge", "take one of tiny, laptop, paper"),
        ("show dreamer_v1 --model.dynamics.detr 3", "Did you mean model.dynamics.deter?"),
        ("show dreamer_v1 --seed one", "`seed` should be an int, but `one` was given."),
        ("show dreamer_v1 --recipe planet", "The recipe is named without an option"),
        ("train dreamer_v1 --rnu x", "There is no setting `rnu`."),
        ("envs pendullum-v11", "No environment has `pendullum-v11` in its id. Did you mean Pendulum-v1?"),
    ],
)
def test_mistakes_name_the_fix(line, sentence, capsys):
    code, printed = run(line, capsys)
    assert code == 2
    assert sentence in printed.err
    assert len(printed.err.splitlines()) == 1


def test_envs_are_filtered(capsys):
    code, printed = run("envs pendulum-v1", capsys)
    assert code == 0
    assert printed.out.splitlines()[-1] == "  Pendulum-v1"


def test_a_damaged_config_is_told(tmp_path, capsys):
    (tmp_path / "config.json").write_text("{")
    code, printed = run(f"resume {tmp_path}", capsys)
    assert code == 2
    assert "config.json is damaged" in printed.err
    (tmp_path / "config.json").write_text(json.dumps({"type": "OnlineConfig", "sede": 1}))
    code, printed = run(f"resume {tmp_path}", capsys)
    assert code == 2
    assert "unknown key `sede`. Did you mean seed?" in printed.err


def test_default_run_folders_are_new(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = recipes.build("dreamer_v1", "tiny", "dm_control/walker-walk-v0")
    first = train._free_folder(config)
    assert str(first) == "runs/dreamer_v1-dm_control-walker-walk-v0-0"
    first.mkdir(parents=True)
    assert str(train._free_folder(config)) == f"{first}-2"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two tiny runs: one that learned a policy and a value, one that plans."""
    folder, policy = tmp_path_factory.mktemp("runs"), small_run.config()
    reverie.train(replace(policy, behavior=replace(policy.behavior, gamma=0.97)), folder / "policy")
    reverie.train(replace(small_run.config(), behavior=PlanningConfig(ICEMConfig(horizon=3))), folder / "planner")
    return folder


SMALL = "--planner CEM --planner.candidates 8 --planner.elites 2 --planner.iterations 2 --planner.horizon 3"


def test_a_planner_acts_in_the_model_of_a_policy(runs, capsys):
    line = f"evaluate {runs}/policy --episodes 2 --device cpu"
    code, plain = run(line, capsys)
    assert code == 0
    code, planned = run(f"{line} {SMALL}", capsys)
    assert code == 0
    assert planned.out.splitlines()[-1].startswith("mean return of 2 episodes: ")
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
    assert evaluate._with_planner(reverie.load(folder), folder, settings).config.actor.objective.gamma == gamma


def test_a_moment_is_drawn(runs, tmp_path, capsys):
    out = tmp_path / "new" / "plans.png"
    code, printed = run(f"evaluate {runs}/policy --episodes 1 --moment 2 --out {out} {SMALL} --num_samples 2", capsys)
    assert code == 0
    *_, sentence, where = printed.out.splitlines()
    assert sentence.startswith("decision 2: 16 candidates scored ")
    assert "the executed plan's predicted return over 3 decisions is " in sentence
    assert where == f"plans: {out}"
    assert out.stat().st_size > 0


def test_a_run_that_plans_keeps_its_settings(runs, capsys):
    line = f"evaluate {runs}/planner --episodes 1 --moment 0"
    code, own = run(line, capsys)
    assert code == 0
    assert "over 3 decisions" in own.out
    assert (runs / "planner" / "plans.png").exists()
    code, changed = run(f"{line} --planner.candidates 20 --planner.iterations 1", capsys)
    assert code == 0
    assert "decision 0: 24 candidates" in changed.out  # 20, 3 kept, the mean
    assert "over 3 decisions" in changed.out


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "policy --planner CMA",
            "`planner` cannot be `CMA`; it is one of CEM, ICEM, MPPI, Gradient, CEMThenGradient, RandomShooting.",
        ),
        ("policy --planner.candidats 3", "There is no setting `planner.candidats`. Did you mean planner.candidates?"),
        (
            "policy --planner RandomShooting --planner.xyz 3",
            "There is planner.horizon, planner.candidates, planner.keep_start.",
        ),
        ("policy --planner CEM --planner.candidates 50", "CEM cannot keep the best 100 of 50 candidates"),
        ("policy --planner.horizon 0", "The planner's `horizon` is 0: it must be 1 or more."),
        ("policy --num_samples -1", "`num_samples` is -1: it must be 0"),
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


def test_a_moment_after_the_end_is_told(runs, capsys):
    code, printed = run(f"evaluate {runs}/planner --episodes 1 --moment 900", capsys)
    assert code == 2
    assert "there is no moment 900, take 0 to " in printed.err
