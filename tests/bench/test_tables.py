"""Pages show numbers that code has written."""

from pathlib import Path

import pytest
import scripts

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def tables():
    return scripts.load(BENCH / "tables.py")


def test_pages_are_renewed_and_type_no_figure_by_hand(tables, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["tables.py", "--check"])
    assert tables.main() == 0, capsys.readouterr().out


def test_a_figure_that_no_table_has_is_found(tables):
    table = "<!-- numbers: one -->\n\n| 5.552 | 24 % |\n\n<!-- /numbers -->"
    text = f"It leaves 5.552 or 5.5: 24 % and 8 %, by `--lr 0.1` and $x = 0.3$ ([a](b1.5)). {table} 1e-6"
    assert tables.typed_by_hand(text) == ["5.5", "8 %", "1e-6"]


def test_the_published_score_is_the_one_of_the_nearest_budget(tables):
    walker = "dm_control/walker-walk-v0"
    assert tables.published("Dreamer V1", walker, 80_000) == "137 after 100,000"
    assert tables.published("Dreamer V1", walker, 4_000_000) == "952 after 5,000,000"
    assert tables.published("DreamerV2", "ALE/Boxing-v5", 1) == "88 after 10,000,000"
    assert tables.published("DreamerV2", "Pendulum-v1", 1) == "–"
