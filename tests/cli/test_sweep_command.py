"""`reverie sweep` and `suite` as typed."""

import pytest

from reverie.cli.command_line import main
from reverie.runs.sweeps.state import Cell

SMALL = ["--size", "tiny", "--tasks", "Pendulum-v1"]


def typed(capsys, *words: str) -> tuple[int, list[str]]:
    """Return the exit code and the lines that a command prints."""
    code = main([str(word) for word in words])
    shown = capsys.readouterr()
    return code, (shown.out + shown.err).splitlines()


def test_words_up_to_the_next_option_belong_to_an_option(tmp_path, capsys):
    words = ["--recipes", "dreamer_v1", "planet", "--seeds", "0", "2:4", *SMALL, "--frames", "900", "--threads", "2"]
    code, lines = typed(capsys, "sweep", tmp_path / "a", *words, "--print-commands")
    names = [f"{recipe}-Pendulum-v1-{seed}" for recipe in ("dreamer_v1", "planet") for seed in (0, 2, 3)]
    assert (code, lines) == (0, [f"reverie resume {tmp_path}/a/cells/{name}" for name in names])
    code, lines = typed(capsys, "sweep", tmp_path / "a", "--status")
    assert lines == [*(f"new        0 %  {name}" for name in names), "0 %, 6 new of 6 cells"]
    assert typed(capsys, "sweep", tmp_path / "a", "--print-commands")[1] == [
        f"reverie resume {tmp_path}/a/cells/{name}" for name in names
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--seeds", "1", "--recipes"], "The option `--recipes` needs a value"),
        (["--recipes", "dreamer_v1", "--seeds", "x"], "a seed is a whole number, and 0:3 is 0, 1 and 2, but `x` was"),
        (["--recipes", "dreamer_v1", "--seeds", "0:2", "1", *SMALL], "The seed 1 is named twice: name it once."),
        (["--recipes", "dreamer_v9", *SMALL], "There is no recipe 'dreamer_v9'. Did you mean"),
        (["--recipes", "dreamer_v1", "--tasks", "Pendulum-v9"], "Pendulum"),
        (["--recipes", "dreamer_v1", "--seed", "1", *SMALL], "`--seed` is what a sweep varies"),
        (["--tasks", "Pendulum-v1", "--threads", "1"], "--tasks, --threads needs --recipes: name them too."),
        ([], "is not the folder of a sweep: it has no sweep.json."),
        (["--status"], "is not the folder of a sweep: it has no sweep.json."),
    ],
)
def test_a_mistake_is_one_sentence_and_makes_nothing(tmp_path, capsys, words, sentence):
    code, lines = typed(capsys, "sweep", tmp_path / "a", *words)
    assert (code, len(lines)) == (2, 1)
    assert sentence in lines[0]
    assert not (tmp_path / "a").exists()


def test_suites_are_listed_and_described(capsys):
    code, lines = typed(capsys, "suite")
    assert (code, lines[0]) == (0, "dmc20          20 tasks of DeepMind Control from pixels, 1,000,000 frames")
    code, lines = typed(capsys, "suite", "minatar5")
    assert code == 0
    assert "  --env.time_limit none" in lines
    assert lines[-1] == "  MinAtar/SpaceInvaders-v1"
    code, lines = typed(capsys, "suite", "minatar")
    assert (code, lines[0][:57]) == (2, "reverie: There is no suite `minatar`. Did you mean minata")


def test_a_suite_is_a_sweep_that_its_folder_goes_on_with(tmp_path, capsys):
    words = ["--recipes", "dreamer_v1", "--tasks", "CartPole-v1", "Acrobot-v1", "--size", "tiny", "--frames", "900"]
    code, lines = typed(capsys, "suite", "classic", tmp_path / "a", *words, "--print-commands")
    assert code == 0
    assert lines == [f"reverie resume {tmp_path}/a/cells/dreamer_v1-{name}-v1-0" for name in ("CartPole", "Acrobot")]
    assert typed(capsys, "sweep", tmp_path / "a", "--print-commands")[1] == lines


def test_the_exit_code_tells_of_failed_cells(tmp_path, capsys, monkeypatch):
    from reverie.runs.sweeps import sweep

    failed = Cell("one", tmp_path, "m", "t", 0, "failed", sentence="No.")
    monkeypatch.setattr(sweep, "sweep", lambda folder, methods, **options: [failed])
    code, lines = typed(capsys, "sweep", tmp_path / "a", "--recipes", "dreamer_v1", *SMALL)
    assert (code, lines) == (1, ["failed     0 %  one  No.", "0 %, 1 failed of 1 cells"])
