"""A tiny study from end to end."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from reverie.evaluation import figures
from studies.__main__ import run
from studies.kit import Numbers


@pytest.fixture
def run_tiny(tmp_path, monkeypatch) -> Callable[..., tuple[Numbers, list[str]]]:
    """Run a study at size `tiny` in `tmp_path`. Returns its numbers and the messages; its figures can be opened.

    Plots have few pixels, and a second run draws none: drawing takes longer than training.
    """
    monkeypatch.setattr(figures, "DPI", 50)

    def run_study(name: str, *parts: str) -> tuple[Numbers, list[str]]:
        messages: list[str] = []
        numbers, tables = run(name, tmp_path, "tiny", lambda shown: messages.append(shown.message or ""), parts)
        assert all(table.startswith("| ") for table in tables.values())
        pictures = sorted(tmp_path.glob("*.png"))
        published = sorted(Path("studies", name, "figures").glob("*.png"))
        assert {path.name for path in pictures} <= {path.name for path in published}
        monkeypatch.setattr(f"studies.{name}.report.draw", lambda *arguments: None)
        for path in pictures:
            with Image.open(path) as image:
                assert min(image.size) > 100
        return numbers, messages

    return run_study
