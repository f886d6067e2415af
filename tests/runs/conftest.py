"""One small run that was never interrupted, and one that was killed half-way, for several files of tests."""

import shutil
from pathlib import Path

import pytest
import small_run
from interruptions import Killed, kill_at_rename

import reverie


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory) -> Path:
    """The folder of a run that was never interrupted."""
    return reverie.train(small_run.config(), tmp_path_factory.mktemp("uninterrupted") / "run", evaluate=False)


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "run"


@pytest.fixture(scope="session")
def _half(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("half") / "run"
    with kill_at_rename(2 + 4 * 4, after=True), pytest.raises(Killed):
        reverie.train(small_run.config(), folder, evaluate=False)
    return folder


@pytest.fixture
def half(_half, folder) -> Path:
    """A copy of a run that was killed after its fourth save."""
    shutil.copytree(_half, folder)
    return folder
