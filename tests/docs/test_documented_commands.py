"""Execute every command and code block of README and docs at size tiny, the commands of a page first."""

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import processes
import pytest
from processes import one_process

from reverie.cli.command_line import COMMANDS
from reverie.cli.parsing import parse

ROOT = Path(__file__).parents[2]
DOCUMENTS = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if "```" in path.read_text()]
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SHELLS = ("sh", "bash", "shell", "console")
SMALL = {
    "train": {"--size": "tiny", "--threads": "1", "--training.frames": "1000", "--training.updates": "60"},
    "resume": {"--training.frames": "1200", "--training.updates": "80"},
    "evaluate": {"--episodes": "1", "--env.time_limit": "60", "--moment": "5"},
    "imagine": {"--horizon": "6"},
    "sample": {"--count": "4"},
    "collect": {"--transitions": "200"},
    "sweep": {"--size": "tiny", "--threads": "1", "--seeds": "0", "--frames": "600"},
}
"""Options of each command that a test shortens, where they are given."""
ALWAYS = ("--size", "--threads", "--episodes", "--frames")
"""Those that a test adds where they are missing, because the defaults are long."""
UNTRIED = (
    "apt-get",
    "cd",
    "docker",
    "export",
    "git",
    "mkdir",
    "nvidia-smi",
    "pytest",
    "source",
    "sudo",
    "tensorboard",
    ".",
    "./check",
)
"""Commands that a test must not or need not execute."""


def blocks(document: Path) -> list[tuple[str, str]]:
    """Language and text of each fenced block, in order."""
    return BLOCK.findall(document.read_text())


def commands(language: str, text: str) -> list[list[str]]:
    """The words of each command in a shell block, without comments, prompts, assignments, pipes and printed lines."""
    lines = text.replace("\\\n", " ").splitlines()
    if language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    parts = [part for line in lines for part in re.split(r";|&&", re.sub(r"(^|\s)#.*$", "", line))]
    split = [shlex.split(re.sub(r"^\s*(\w+=\S*\s+)+", "", part).partition(" | ")[0]) for part in parts]
    return [words for words in split if words]


def shortened(words: list[str]) -> list[str]:
    """The same command at a size that a test can wait for."""
    small = [word for text in words for word in (text.split("=", 1) if text.startswith("--") else [text])]
    going_on = small[0] == "sweep" and "--recipes" not in small
    for option, value in SMALL.get(small[0] if not going_on else "", {}).items():
        if option in small:
            small[small.index(option) + 1] = value
        elif option in ALWAYS:
            small += [option, value]
    if "--planner" in small:
        small += ["--planner.candidates", "20", "--planner.elites", "4"]
    if small[0] == "train" and any(word.startswith("dm_control/") for word in small):
        small += ["--env.time_limit", "100"]
    if small[0] == "evaluate" and not {"--goal", "--env.time_limit"} & set(small):
        small += ["--env.time_limit", "60"]
    return small


@pytest.fixture(scope="module")
def process() -> Iterator[ProcessPoolExecutor]:
    """The process in which commands and code are executed."""
    with one_process() as process:
        yield process


def run(words: list[str], process: ProcessPoolExecutor, folder: Path, extras: set[str], targets: set[str]) -> None:
    """Execute a command of Reverie in `folder`. Of another, check that what it names exists."""
    command, line = words[0], shlex.join(words)
    if words[:2] == ["reverie", "play"]:  # it serves until Ctrl-C (tests/play)
        assert parse(COMMANDS, words[1:])
    elif command == "reverie":
        assert words[1].startswith("-") or words[1] in COMMANDS, line
        code, printed = process.submit(processes.command, shortened(words[1:]), folder).result()
        assert code == 0, f"{line}\n{printed[-2000:]}"
    elif command == "make":
        assert {word for word in words[1:] if "=" not in word} <= targets, f"The Makefile has no such target: {line}"
    elif command == "pip" or words[:3] == ["python", "-m", "pip"]:
        named = set(re.findall(r"[\w-]+", "".join(re.findall(r"\[([\w,-]+)\]", line))))
        assert named <= extras, f"pyproject.toml has no extra {named - extras}."
    elif words[:3] == ["python", "-m", "studies"]:
        assert all((ROOT / "studies" / name).is_dir() for name in words[3:4] if not name.startswith("-")), line
    elif words[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(words[2]), line
    elif command == "python":
        assert (ROOT / words[1]).is_file(), line
    elif command == "torchrun":  # tests/runs/test_group.py starts it
        assert words[words.index("-m") :][:3] == ["-m", "--", "reverie"], line
        assert words[words.index("reverie") + 1] in COMMANDS, line
    elif command not in UNTRIED:
        pytest.fail(f"Say in UNTRIED of this test that `{line}` is not tried, or how to try it.")


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_what_is_documented_works(document, process, tmp_path):
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for language, text in blocks(document):
        for words in commands(language, text) if language in SHELLS else []:
            run(words, process, tmp_path, extras, targets)
    code = "\n".join(text for language, text in blocks(document) if language == "python")
    (tmp_path / "example.py").write_text(code)
    process.submit(processes.program, tmp_path / "example.py").result()


def test_blocks_are_read():
    text = "```sh\nreverie version\n```\n- a list\n  ```python\n  1 / 0\n  ```\n"
    assert BLOCK.findall(text) == [("sh", "reverie version\n"), ("python", "  1 / 0\n")]


def test_commands_are_read():
    text = "reverie train x --size laptop  # a comment\nmake a; make b\nCUDA=0 reverie envs | head\n"
    train, *others = commands("sh", text)
    assert others == [["make", "a"], ["make", "b"], ["reverie", "envs"]]
    assert shortened(train[1:]) == ["train", "x", "--size", "tiny", "--threads", "1"]
    assert shortened(["resume", "x", "--training.frames=20000"]) == ["resume", "x", "--training.frames", "1200"]
    assert commands("console", "$ reverie version\nreverie 0.1.0\n") == [["reverie", "version"]]


@pytest.mark.parametrize(
    "line", ["reverie trian x", "make nothing", "pip install 'reverie[none]'", "python no.py", "xyz"]
)
def test_what_does_not_exist_fails(line, process, tmp_path):
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run(shlex.split(line), process, tmp_path, {"dmc"}, {"demo"})


LINK = re.compile(r"\]\(([^)#\s]+)")
PAGES = [
    *ROOT.glob("*.md"),
    *(path for folder in ("docs", "studies", "examples") for path in (ROOT / folder).rglob("*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(page):
    targets = [target for target in LINK.findall(page.read_text()) if not re.match(r"\w+:", target)]
    assert [target for target in targets if not (page.parent / target).is_file()] == []


def test_tables_of_the_pages_are_those_of_the_numbers():
    command = [sys.executable, "bench/tables.py", "--check"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout == ""


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    done = subprocess.run([sys.executable, "docs/build.py"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
