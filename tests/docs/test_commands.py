"""Every command and every code block of README and docs is executed, at size tiny, in the order in which it is read."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from reverie.cli.main import main

ROOT = Path(__file__).parents[2]
DOCUMENTS = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if "```" in path.read_text()]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SMALL = {"--episodes": "1", "--transitions": "200", "--count": "4", "--horizon": "6", "--training.frames": "600"}
"""Options that make a documented command long, and what a test takes instead."""


def blocks(document: Path) -> list[tuple[str, str]]:
    """Language and text of each fenced block, in order."""
    return BLOCK.findall(document.read_text())


def commands(text: str) -> list[list[str]]:
    """The words of each command in a shell block, without comments."""
    lines = text.replace("\\\n", " ").splitlines()
    parts = [part for line in lines for part in re.split(r";|&&", re.sub(r"(^|\s)#.*$", "", line))]
    return [words for part in parts if (words := shlex.split(part))]


def shortened(words: list[str]) -> list[str]:
    """The same command at a size that a test can wait for."""
    small = list(words)
    for option, value in SMALL.items():
        if option in small:
            small[small.index(option) + 1] = value
    if small[0] in ("train", "show"):
        if "--size" in small:
            del small[small.index("--size") : small.index("--size") + 2]
        small += ["--size", "tiny"]
    if small[0] == "train":
        small += ["--threads", "1"]
    return small


def run(words: list[str], extras: set[str], targets: set[str]) -> None:
    """Execute a command, or check what a test must not do: install packages, or call itself by `make`."""
    if words[0] == "reverie":
        assert main(shortened(words[1:])) == 0, shlex.join(words)
    elif words[0] == "make":
        assert set(words[1:]) <= targets, f"The Makefile has no {words[1:]}."
    elif words[:2] == ["pip", "install"] or words[:3] == ["python", "-m", "pip"]:
        named = set(re.findall(r"[\w-]+", "".join(re.findall(r"\[([\w,-]+)\]", " ".join(words)))))
        assert named <= extras, f"pyproject.toml has no extra {named - extras}."
    elif words[0] == "python":
        place = Path(*words[2].split(".")) if words[1] == "-m" else Path(words[1])
        assert (ROOT / place).exists() or (ROOT / place).with_suffix(".py").exists(), shlex.join(words)
    elif words[0] not in ("cd", "git", "source", "."):
        pytest.fail(f"This test does not know how to try `{shlex.join(words)}`.")


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_is_documented_works(document, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for language, text in blocks(document):
        if language in ("sh", "bash", "console"):
            for words in commands(text):
                run(words, extras, targets)
        elif language == "python":
            exec(compile(text, f"{document.name}, a python block", "exec"), {"__name__": "__main__"})


def test_blocks_and_commands_are_read():
    text = "```sh\nreverie train x --size laptop  # a comment\nmake a; make b\n```\n```python\n1 / 0\n```\n"
    (language, shell), (other, python) = BLOCK.findall(text)
    assert (language, other, python) == ("sh", "python", "1 / 0\n")
    assert commands(shell) == [["reverie", "train", "x", "--size", "laptop"], ["make", "a"], ["make", "b"]]
    assert shortened(commands(shell)[0][1:]) == ["train", "x", "--size", "tiny", "--threads", "1"]
