"""`reverie compare` as typed."""

import fake_runs
import pytest

from reverie.cli.command_line import COMMANDS, main
from reverie.cli.commands import completion
from reverie.evaluation.comparison import figures

RETURNS = [(at, -1000.0 + at / 100) for at in range(200, 10_001, 200)]


def typed(capsys, *words: object) -> tuple[int, list[str]]:
    """Return the exit code and the lines that a command prints."""
    code = main([str(word) for word in words])
    shown = capsys.readouterr()
    return code, (shown.out + shown.err).splitlines()


def test_scores_remarks_and_files_are_printed(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(figures, "FIGURES", {"curves": figures.curves})
    for name in ("a", "b"):
        fake_runs.run(tmp_path / name, RETURNS, model={"name": name})
    code, lines = typed(capsys, "compare", "a", "better=b", "--center", "median", "--solved", "Pendulum-v1=-1000,-900")
    assert code == 0
    assert lines[:3] == [
        "task      frames  dreamer_v1  better",
        "Pendulum  10,000  −904.0      −904.0",
        "2 of 2 cells are done.",
    ]
    assert lines[4].split() == ["index.html", "comparison/index.html"]
    assert "| dreamer_v1 | 0.96 |" in (tmp_path / "comparison" / "table.md").read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a", "--published", "dreamerv2"], "Nothing is published under `dreamerv2`. Did you mean dreamer_v2?"),
        (["a", "--published", "planet"], "PlaNet has no published score for Pendulum-v1, as played here"),
        (["--published", "planet", "a"], "Name the folders first: `reverie compare FOLDER ... --published NAME"),
        (["nowhere"], "There is no folder nowhere."),
        (["."], "is not the folder of a run"),
        (["a", "--solved", "Pendulum-v1"], "a task's scores 0 and 1 are two different numbers"),
        (["a", "--solved", "Pendulum-v1=3,3"], "a task's scores 0 and 1 are two different numbers"),
        (["a", "--solved", "Pendulum-v1=nan,3"], "a task's scores 0 and 1 are two different numbers"),
        (["a", "--solved", "Pendulum-v0=0,3"], "Did you mean Pendulum-v1?"),
        (["a", "--at", "20000"], "No run has a score at 20,000 frames"),
        (["a", "--returns", "final"], "invalid choice: 'final'"),
        (["a", "--out", "a/config.json"], "cannot be written, because"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(tmp_path, capsys, monkeypatch, words, sentence):
    fake_runs.run(tmp_path / "here" / "a", RETURNS)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / ("empty" if words == ["."] else "here"))
    code, lines = typed(capsys, "compare", *words)
    assert (code, len(lines)) == (2, 1)
    assert sentence in lines[0]
    assert not (tmp_path / "here" / "comparison").exists()


def test_published_names_are_completed():
    assert completion.candidates(COMMANDS, ["compare", "runs", "--published", "planet", "dreamer_v"]) == [
        "dreamer_v1", "dreamer_v2", "dreamer_v3",
    ]  # fmt: skip
