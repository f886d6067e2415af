import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def bench(monkeypatch, tmp_path_factory):
    """Let modules of `bench` be imported, with a cache of their own."""
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.setenv("REVERIE_CACHE", str(tmp_path_factory.mktemp("cache")))
    before = list(sys.path)
    yield BENCH
    sys.path[:] = before
