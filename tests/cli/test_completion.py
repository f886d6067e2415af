import json
import shutil
import subprocess
import sys

import pytest

from reverie.cli import command_line as main
from reverie.cli import names
from reverie.cli.commands.completion import candidates


@pytest.fixture
def cached_names(cache):
    """Names as an earlier command has written them."""
    cache.mkdir()
    settings = {"dreamer_v1": ["training.frames", "training.batch"], "dreamer_v2": [], "vae": ["training.updates"]}
    written = {"stamp": "old", "settings": settings, "sizes": ["tiny", "laptop"], "envs": ["CartPole-v1", "Acrobot-v1"]}
    names.path().write_text(json.dumps(written))


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("tr", ["train"]),
        ("stu", []),
        ("train dre", ["dreamer_v1", "dreamer_v2"]),
        ("train --size ", ["tiny", "laptop"]),
        ("train dreamer_v1 --env.id Ca", ["CartPole-v1"]),
        ("train dreamer_v1 --training.", ["--training.frames", "--training.batch"]),
        ("train --seed 1 vae --training.", ["--training.updates"]),
        ("collect Acr", ["Acrobot-v1"]),
        ("evaluate runs/x --js", ["--json"]),
        ("evaluate runs/x --vi", ["--video"]),
        ("evaluate ru", []),
        ("completion ", ["bash", "zsh", "fish"]),
        ("suite minat", ["minatar5"]),
        ("sweep runs/x --recipes vae dreamer_", ["dreamer_v1", "dreamer_v2"]),
        ("sweep runs/x --recipes vae --tasks Acrobot-v1 Ca", ["CartPole-v1"]),
        ("sweep runs/x --recipes dreamer_v1 --training.", ["--training.frames", "--training.batch"]),
        ("no_command x", []),
        ("version x", []),
    ],
)
def test_candidates(line, offered, cached_names):
    assert candidates(main.COMMANDS, line.split(" ")) == offered


def test_without_remembered_names_commands_and_options_are_offered(cache):
    assert candidates(main.COMMANDS, []) == candidates(main.COMMANDS, [""])
    assert "--seed" in candidates(main.COMMANDS, ["train", "dreamer_v1", "--"])
    assert candidates(main.COMMANDS, ["train", "d"]) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_are_valid(shell, capsys, monkeypatch):
    monkeypatch.setattr(names, "refresh", lambda: None)
    assert main.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "reverie _complete" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n", "-c", script], check=True)


def test_bash_completes(cached_names, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(names, "refresh", lambda: None)
    main.main(["completion", "bash"])
    script = capsys.readouterr().out
    (tmp_path / "reverie").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m reverie "$@"\n')
    (tmp_path / "reverie").chmod(0o755)
    typed = 'COMP_WORDS=(reverie train dreamer_v1 --training.f); COMP_CWORD=3; _reverie; echo "${COMPREPLY[@]}"'
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    ended = subprocess.run(["bash", "-c", f"{script}\n{typed}"], capture_output=True, text=True, check=True)
    assert ended.stdout == "--training.frames\n"
