"""Every test of the command line has a cache folder of its own, empty at the start."""

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REVERIE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
