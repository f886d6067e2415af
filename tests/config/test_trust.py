"""A folder from elsewhere names an environment's module, and cannot have it imported."""

import sys

import pytest

from reverie.config import plugins
from reverie.config.files import read_file, write_file
from reverie.envs import make, make_many
from reverie.envs.base import EnvConfig
from reverie.errors import UserError
from reverie.files import remember_run
from reverie.runs.environment import choose_environment


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """A folder with a config, and a module that leaves a mark when it is imported."""
    monkeypatch.setenv("REVERIE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(plugins, "_named_by_folders", set())
    monkeypatch.setattr(plugins, "_used", {})
    monkeypatch.syspath_prepend(tmp_path / "modules")
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "evil.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w').close()")
    folder = tmp_path / "run"
    folder.mkdir()
    write_file(folder / "env.json", EnvConfig("evil:Pendulum-v1", observe=("state",)))
    yield folder
    sys.modules.pop("evil", None)


@pytest.mark.parametrize("workers", [False, True])
def test_a_module_that_a_folder_names_is_not_imported(evil, workers):
    config = read_file(EnvConfig, evil / "env.json")
    with pytest.raises(UserError, match=r"would import the module evil: if you trust it, add --use evil"):
        make_many(config) if workers else make(config)
    assert not (evil.parent / "mark").exists()


def test_it_is_imported_where_the_user_types_the_id(evil):
    config = read_file(EnvConfig, evil / "env.json")
    make(choose_environment(config, "evil:Pendulum-v1")).close()
    assert (evil.parent / "mark").exists()


def test_it_is_imported_where_the_user_names_the_module(evil):
    config = read_file(EnvConfig, evil / "env.json")
    plugins.use("evil")
    make(config).close()


def test_a_run_of_ones_own_goes_on_without_a_question(evil):
    remember_run(evil)
    make(read_file(EnvConfig, evil / "env.json")).close()


def test_a_copied_secret_of_someone_else_is_worth_nothing(evil):
    (evil / "origin").write_text("0123")
    config = read_file(EnvConfig, evil / "env.json")
    with pytest.raises(UserError, match="add --use evil"):
        make(config)
