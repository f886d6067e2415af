import json
import os
import sys
from dataclasses import replace

import pytest

from reverie import recipes
from reverie.cli import command_line as main
from reverie.cli import names
from reverie.cli.commands import info
from reverie.config.overrides import as_text, leaves, override
from reverie.runs.loop import make_free_folder


@pytest.fixture(autouse=True)
def no_refresh(monkeypatch):
    """Leave the names in the user's cache folder alone: writing them takes seconds."""
    monkeypatch.setattr(names, "refresh", lambda: None)


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
    settings = [line.partition("  # ")[0].partition(" ") for line in shown.splitlines()]
    texts = {path: value.strip() for path, _, value in settings}
    assert code == 0
    assert (texts["seed"], texts["training.frames"], texts["size"]) == ("7", "1000", "tiny")
    config = recipes.build("dreamer_v1", "tiny", None)
    again = override(config, texts)
    assert {path: as_text(value) for path, value in leaves(again).items()} == texts
    assert "Reading list:" in text


def test_the_environment_decides_the_recipes_defaults(capsys):
    _, printed = run("show dreamer_v1 --size paper --env.id dm_control/cartpole-swingup-v0", capsys)
    assert "env.id" in printed.out
    assert "dm_control/cartpole-swingup-v0" in printed.out


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("show dremer_v1", "Did you mean dreamer_v1?"),
        ("train dreamer", "There is no recipe 'dreamer'. Did you mean"),
        ("train dreamer_v1 --steps 1e5", "Did you mean --training.frames or --training.updates?"),
        ("train vae --steps 1e5", "There is no setting `--steps`. Did you mean --training.updates?"),
        ("train dreamer_v1 --batch_size 3", "Did you mean --training.batch?"),
        ("train dreamer_v1 --gamma 0.9", "Did you mean --behavior.gamma?"),
        (
            "train dreamer_v1 --lr 3e-4",
            "Did you mean --model.optimizer.lr, --behavior.actor_optimizer.lr or --behavior.value_optimizer.lr?",
        ),
        ("train cfm --data.env Pendulum-v1", "takes no value itself. Did you mean --data.env.id?"),
        ("show dreamer_v1 model.dynamcs", "There is no setting `model.dynamcs`. Did you mean model.dynamics?"),
        ("collect Pendulum-v1 --env Pendulum-v1", "Did you mean --env.id?"),
        ("show dreamer_v1 --size huge", "take one of tiny, small, laptop, paper, or auto"),
        ("show dreamer_v1 --model.dynamics.detr 3", "Did you mean --model.dynamics.deter?"),
        ("show dreamer_v1 --seed one", "`--seed` should be an int, but `one` was given."),
        ("show dreamer_v1 --recipe planet", "The recipe is named without an option"),
        ("train dreamer_v1 --rnu x", "There is no setting `--rnu`."),
        ("envs pendullum-v11", "No environment has `pendullum-v11` in its id. Did you mean Pendulum-v1?"),
    ],
)
def test_mistakes_name_the_fix(line, sentence, capsys):
    code, printed = run(line, capsys)
    assert code == 2
    assert sentence in printed.err
    assert len(printed.err.splitlines()) == 1


@pytest.mark.parametrize("prefix", ["env", "data.env"])
def test_a_recipe_that_learns_from_recordings_takes_both_names_of_its_environment(prefix, capsys):
    code, printed = run(f"show cfm data.env --{prefix}.id Pendulum-v1 --{prefix}.time_limit 7", capsys)
    assert code == 0
    values = {line.split()[0]: line.split()[1] for line in printed.out.splitlines()}
    assert (values["data.env.id"], values["data.env.time_limit"]) == ("Pendulum-v1", "7")


def test_a_part_is_shown_with_descriptions(capsys):
    _, printed = run("show dreamer_v1 training --size tiny", capsys)
    lines = printed.out.splitlines()
    assert all(line.startswith("training.") for line in lines)
    assert "training.batch 4 # B, sequences in a batch." in [" ".join(line.split()) for line in lines]
    _, printed = run("show dreamer_v1 training.batch", capsys)
    assert printed.out == "training.batch  16  # B, sequences in a batch.\n"


def test_descriptions_are_wrapped_in_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(info.shutil, "get_terminal_size", lambda *_, **__: os.terminal_size((60, 24)))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    info._print_settings({"a": "1", "b": "2"}, {"a": "word " * 20})
    first, second, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("a  1  word")
    assert second.startswith("      word")
    assert max(map(len, (first, second))) <= 60
    assert last == "b  2"


def test_envs_of_other_packages_name_them(capsys, monkeypatch):
    import gymnasium

    monkeypatch.setitem(gymnasium.registry, "lab/Arm-v0", gymnasium.spec("Pendulum-v1"))
    assert info._package("lab/Arm-v0") == ""
    other = replace(gymnasium.spec("Pendulum-v1"), entry_point="my_lab.arm:Arm")
    monkeypatch.setitem(gymnasium.registry, "lab/Arm-v0", other)
    assert info._package("lab/Arm-v0") == "  (my_lab)"


def test_envs_are_filtered(capsys):
    code, printed = run("envs pendulum-v1", capsys)
    assert code == 0
    assert printed.out.splitlines()[-1] == "  Pendulum-v1"


def test_a_damaged_config_is_one_sentence(tmp_path, capsys):
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
    first = make_free_folder(config)
    assert str(first) == "runs/dreamer_v1-dm_control-walker-walk-v0-0"
    assert str(make_free_folder(config)) == f"{first}-2"
