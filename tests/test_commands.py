import json

import pytest

from reverie import cli, config_io, recipes


def run(line, capsys):
    code = cli.main(line.split())
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
    again = config_io.override(config, texts)
    assert {path: config_io.as_text(value) for path, value in config_io.leaves(again).items()} == texts
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
    (tmp_path / "config.json").write_text(json.dumps({"type": "Config", "sede": 1}))
    code, printed = run(f"resume {tmp_path}", capsys)
    assert code == 2
    assert "unknown key `sede`. Did you mean seed?" in printed.err


def test_default_run_folders_are_new(tmp_path, monkeypatch):
    from reverie.commands import _free_folder

    monkeypatch.chdir(tmp_path)
    config = recipes.build("dreamer_v1", "tiny", "dm_control/walker-walk-v0")
    first = _free_folder(config)
    assert str(first) == "runs/dreamer_v1-dm_control-walker-walk-v0-0"
    first.mkdir(parents=True)
    assert str(_free_folder(config)) == f"{first}-2"
