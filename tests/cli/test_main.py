import os
import re
import subprocess
import sys
import traceback
from argparse import Namespace
from dataclasses import fields
from typing import get_args

import pytest

from reverie.cli import command_line as main
from reverie.cli.commands import common
from reverie.cli.parsing import Command
from reverie.config.choices import short_name
from reverie.errors import UserError
from reverie.planning import PlannerConfig
from reverie.planning.actor import PlanningConfig
from reverie.planning.objectives import ObjectiveConfig


@pytest.fixture
def called(monkeypatch):
    """Every command records what it was called with instead of working."""
    calls = []
    for name, command in main.COMMANDS.items():

        def record(arguments: Namespace, settings: dict[str, str], name: str = name) -> int:
            calls.append((name, vars(arguments), settings))
            return 0

        replaced = {**vars(command), "run": record}
        monkeypatch.setitem(main.COMMANDS, name, Command(**replaced))
    return calls


def test_help_loads_nothing_heavy():
    heavy = ["torch", "gymnasium", "matplotlib", "numpy", "tensorboard", "cv2", "rich", "av"]
    code = (
        "import sys; from reverie.cli.command_line import main\n"
        f"codes = [main(['--help'])] + [main([name, '--help']) for name in {list(main.COMMANDS)}] + [main(['trian'])]\n"
        "main(['_complete', 'tr'])\n"
        f"print('EXIT', codes, 'HEAVY', [name for name in {heavy} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == f"EXIT {[0] * (len(main.COMMANDS) + 1) + [2]} HEAVY []"


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_help_has_an_example_that_parses(name, called, capsys, monkeypatch):
    monkeypatch.setattr(main.plugins, "use", lambda module: None)
    assert main.main([name, "--help"]) == 0
    assert main.COMMANDS[name].example in capsys.readouterr().out
    assert main.main(main.COMMANDS[name].example.split()[1:]) == 0
    assert [call[0] for call in called] == [name]


def test_without_a_command_the_overview_is_shown(capsys):
    assert main.main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in main.COMMANDS)
    assert "study" not in shown


def test_settings_and_options_are_separated(called):
    line = (
        "train --model.dynamics.deter 40 dreamer_v1 --env.id Pendulum-v1 --threads=2 "
        "--env.image-size 32 --behavior.x -1 --run a=b"
    )
    assert main.main(line.split()) == 0
    (_, arguments, settings) = called[0]
    assert (arguments["recipe"], arguments["env.id"], arguments["run"]) == ("dreamer_v1", "Pendulum-v1", "a=b")
    assert settings == {
        "model.dynamics.deter": "40",
        "threads": "2",
        "env.image_size": "32",
        "behavior.x": "-1",
    }


def test_evaluate_takes_the_settings_of_planning(called):
    line = "evaluate runs/x --planner CEM --planner.candidates=200 --warm-start false --moment 30 --out plans.png"
    assert main.main(line.split()) == 0
    (_, arguments, settings) = called[0]
    assert (arguments["run"], arguments["moment"], arguments["out"]) == ("runs/x", 30, "plans.png")
    assert settings == {"planner": "CEM", "planner.candidates": "200", "warm_start": "false"}


def test_evaluate_helps_with_what_there_is(capsys):
    """Help is written without loading torch; so what it lists is compared here."""
    assert main.main(["evaluate", "--help"]) == 0
    shown = capsys.readouterr().out
    for union in (PlannerConfig, ObjectiveConfig):
        assert all(re.search(rf"\b{short_name(config)}\b", shown) for config in get_args(union))
    leaves = {field.name for field in fields(PlanningConfig)} - {"exploration"}  # evaluations do not explore
    assert {"env", *leaves} == set(main.COMMANDS["evaluate"].settings.first_words)
    defaults = PlanningConfig()
    assert f"(default: {short_name(type(defaults.planner))})" in shown
    assert f"{short_name(type(defaults.objective))} (default)" in shown
    assert (defaults.num_samples, defaults.warm_start) == (0, True)
    assert "reverie show" not in shown


def test_resume_takes_the_settings_of_a_longer_run(called):
    words = ["--training.frames", "4e4", "--evaluation.every", "100", "--device", "cpu", "--threads", "2"]
    assert main.main(["resume", "runs/x", *words]) == 0
    settings = {"training.frames": "4e4", "evaluation.every": "100", "device": "cpu", "threads": "2"}
    assert called[0][2] == settings


def test_a_flag_takes_no_value(called):
    assert main.main(["evaluate", "runs/x", "--json", "--env.kwargs", "g=5.0"]) == 0
    assert main.main(["evaluate", "--episodes", "3", "runs/x"]) == 0
    assert [call[1]["json"] for call in called] == [True, False]
    assert called[0][2] == {"env.kwargs": "g=5.0"}


def test_modules_are_imported_before_the_command(called, monkeypatch):
    used = []
    monkeypatch.setattr(main.plugins, "use", lambda module: used.append((module, len(called))))
    assert main.main(["recipes", "--use", "my_lab.parts", "--use=other"]) == 0
    assert main.main(["recipes"]) == 0
    assert used == [("my_lab.parts", 0), ("other", 0)]


def test_an_optional_place_may_follow_options(called):
    assert main.main(["show", "dreamer_v1", "--size", "tiny", "model.dynamics"]) == 0
    assert called[0][1]["part"] == "model.dynamics"


def test_one_frame_lies_between_main_and_the_command(monkeypatch):
    frames = []

    def record(arguments: Namespace, settings: dict[str, str]) -> int:
        frames.extend(frame.name for frame in traceback.extract_stack())
        return 0

    monkeypatch.setitem(main.COMMANDS, "doctor", Command(record, "reverie doctor"))
    assert main.main(["doctor"]) == 0
    assert frames[-2:] == ["main", "record"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("trian", "There is no command `trian`. Did you mean train?"),
        ("train", "the following arguments are required: RECIPE"),
        ("train dreamer_v1 --seed", "The option `--seed` needs a value"),
        ("train dreamer_v1 --env.workers --seed 1", "The option `--env.workers` needs a value"),
        ("train dreamer_v1 extra", "unrecognized arguments: extra"),
        ("evaluate runs/x --json=yes", "The option `--json` takes no value: leave `=yes` out."),
        ("train dreamer_v1 --env CartPole-v1", "has no option `--env`. Did you mean --env.id?"),
        ("train dreamer_v1 --gpu 0", "has no option `--gpu`. Did you mean --device?"),
        ("train dreamer_v1 --logdir out", "has no option `--logdir`. Did you mean --run?"),
        ("recipes --use no_such_module", "no_such_module cannot be imported"),
        ("study latents --size tiny", "run `python -m studies latents` there."),
        ("completion bsh", "There is no completion for `bsh`. Did you mean bash?"),
        ("check dynamcs RSSM", "There are no checks for `dynamcs`. Did you mean dynamics?"),
        ("evaluate runs/x --epsiodes 3", "has no option `--epsiodes`. Did you mean --episodes?"),
        ("evaluate runs/x --planer CEM", "has no option `--planer`. Did you mean --planner?"),
        ("evaluate runs/x --exploration 0.1", "has no option `--exploration`."),
        ("evaluate runs/x --planner", "The option `--planner` needs a value"),
        ("evaluate runs/x --moment -1", "argument --moment: it must be a whole number, at least 0, but `-1` was given"),
        ("evaluate runs/x --episodes many", "argument --episodes: it must be a whole number"),
        ("evaluate runs/x --episodes 0", "at least 1, but `0` was given"),
        ("resume no/such/run", "no/such/run is not the folder of a run"),
        ("imagine no/such/run", "no/such/run is not the folder of a run"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(words, sentence, capsys):
    assert main.main(words.split()) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert printed.err.startswith("reverie: ")
    assert len(printed.err.splitlines()) == 1
    assert printed.out == ""


def test_interruption_has_its_own_exit_code(monkeypatch, capsys):
    def interrupted(arguments: Namespace, settings: dict[str, str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(main.COMMANDS, "doctor", Command(interrupted, "reverie doctor"))
    assert main.main(["doctor"]) == 130
    assert capsys.readouterr().err == "reverie: Interrupted.\n"


def test_a_reader_that_leaves_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "reverie", "--help"]
    ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_version(capsys):
    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("reverie 0.")


def test_a_run_folder_near_the_typed_one_is_named(tmp_path):
    (tmp_path / "dreamer_v1-0").mkdir()
    (tmp_path / "dreamer_v1-0" / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"Did you mean .*dreamer_v1-0\?"):
        common.run_folder(str(tmp_path / "dreamer_v-0"))
