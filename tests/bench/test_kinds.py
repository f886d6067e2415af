"""Kinds of environments: what a handful of them gives is what the page about them says."""

import json
from pathlib import Path

import pytest

PAIRS = (
    ("a vector", "actions in [-1, 1]"),
    ("channels first, (3, 24, 32)", "Discrete actions"),
    ("an image of float32 in [0, 1]", "actions in [-1, 1]"),
    ("NaN from step 3 on", "actions in [-1, 1]"),
    ("a vector", "unbounded actions"),
    ("Dict of image and vector", "drawing fails, not observed"),
    ("a vector", "a step that fails in the middle"),
)


def published(bench: Path) -> dict[tuple[str, str], tuple[str, str]]:
    pairs = json.loads((bench / "results" / "kinds.json").read_text())["pairs"]
    return {(pair["observation"], pair["environment"]): (pair["outcome"], pair["sentence"]) for pair in pairs}


@pytest.mark.slow
def test_a_handful_of_kinds_gives_what_was_published(bench, tmp_path):
    import kinds

    expected = published(bench)
    for number, pair in enumerate(PAIRS):
        (tmp_path / str(number)).mkdir()
        assert kinds.attempt(*pair, tmp_path / str(number)) == expected[pair], pair


def test_every_kind_is_published_and_none_has_another_outcome(bench):
    import kinds

    assert list(published(bench)) == list(kinds.pairs())
    assert {outcome for outcome, _ in published(bench).values()} == {"learned", "remark", "refused"}


def test_a_run_that_neither_learns_nor_is_refused_is_a_failure(bench, tmp_path):
    import kinds
    from forked import Outcome

    assert kinds.classify(Outcome(2, "", "reverie: No.", 1), tmp_path) == ("refused", "No.")
    (tmp_path / "metrics.jsonl").write_text("")
    for outcome in (Outcome(1, "", "KeyError", 1), Outcome(None, "", "", 1), Outcome(0, "", "", 1)):
        with pytest.raises(RuntimeError, match="code"):
            kinds.classify(outcome, tmp_path)
