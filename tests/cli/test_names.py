import json
import re
import subprocess
import sys

import pytest

from reverie import recipes
from reverie.cli import names
from reverie.config.overrides import as_text, leaves
from reverie.errors import UserError

ENVS = ["Pendulum-v1", "dm_control/walker-walk-v0", "ALE/Pong-v5", "MinAtar/breakout-v1"]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """The file that `refresh` writes where no plug-in is installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REVERIE_CACHE", str(tmp_path_factory.mktemp("names")))
        patch.setattr("reverie.envs.list_ids", lambda: {env_id: [env_id] for env_id in ENVS})
        patch.setattr(names.plugins, "installed", dict)
        names._stamp.cache_clear()
        names.refresh()
        yield names.path().read_text()
        names._stamp.cache_clear()


@pytest.fixture
def cached_names(text, cache, monkeypatch):
    """The names in the file of this test."""
    monkeypatch.setattr(names.plugins, "installed", dict)
    cache.mkdir()
    names.path().write_text(text)
    return names.read()


def test_names_are_written_once(cached_names, monkeypatch):
    assert sorted(cached_names["settings"]) == recipes.names()
    assert cached_names["envs"] == ENVS
    assert "training.frames" in cached_names["settings"]["dreamer_v1"]
    written = names.path().stat().st_mtime_ns
    names.refresh()
    assert names.path().stat().st_mtime_ns == written


def has_settings(path, settings) -> bool:
    return any(other.startswith(f"{path}.") for other in settings)


@pytest.mark.parametrize("env_id", [*ENVS, "CartPole-v1", "dm_control/cartpole-swingup-v0", "reverie/Rope-v0"])
@pytest.mark.parametrize(
    "recipe", ["dreamer_v1", "dreamer_v2", "dreamer_v3", "planet", "cfm", "vae", "cvae", "state_space"]
)
def test_no_setting_that_exists_is_refused(recipe, env_id, cached_names):
    for size in recipes.sizes(recipe):
        try:
            config = recipes.build(recipe, size, env_id)
        except UserError:
            continue
        texts = {path: as_text(value) for path, value in leaves(config).items()}
        names.refuse_wrong(recipe, {path: text for path, text in texts.items() if not has_settings(path, texts)})
    names.refuse_wrong(recipe, {"model": "1", "model.anything": "2", "env.time_limit": "3", "data.env": "x"})


def test_a_setting_that_no_recipe_has_is_refused_with_a_hint(cached_names):
    with pytest.raises(UserError, match=r"There is no setting `--training.framse`. Did you mean --training.frames\?"):
        names.refuse_wrong("dreamer_v1", {"training.framse": "1"})


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("training.frames", "abc", "`--training.frames` should be an int, but `abc` was given."),
        ("env.workers", "yes", "`--env.workers` should be true or false, but `yes` was given."),
        ("env.time_limit", "long", "`--env.time_limit` should be an int or none, but `long` was given."),
        ("model.signals.divergence.variant", "x", "should be one of element, mean, but `x` was given."),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(path, value, sentence, cached_names):
    with pytest.raises(UserError, match=re.escape(sentence)):
        names.refuse_wrong("dreamer_v1", {path: value})
    # The type of a setting is uncertain where the same command line chooses its part.
    names.refuse_wrong("dreamer_v1", {path: value, path.rpartition(".")[0]: "Other"})


def test_names_of_version_0_1_are_not_refused(cached_names):
    names.refuse_wrong("dreamer_v1", {"behavior.actor_optimiser.lr": "1", "env.settings": "a=1"})


@pytest.mark.parametrize("reason", ["edited", "plugin", "missing", "damaged"])
def test_in_doubt_the_config_decides(reason, cached_names, monkeypatch):
    if reason == "edited":
        names.path().write_text(json.dumps(cached_names | {"stamp": "older"}))
    elif reason == "plugin":
        monkeypatch.setattr(names.plugins, "installed", lambda: {"my_lab": None})
    elif reason == "missing":
        names.path().unlink()
    else:
        names.path().write_text("{")
    names.refuse_wrong("dreamer_v1", {"training.framse": "1"})


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr("reverie.envs.list_ids", dict)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REVERIE_CACHE", str(tmp_path / "file" / "folder"))
    names.refresh()
    assert names.read() == {}


@pytest.mark.parametrize("option", ["--training.framse 3", "--training.frames abc"])
def test_a_mistake_is_answered_without_torch(option, cached_names, cache):
    code = (
        "import sys; from reverie.cli.command_line import main; from reverie.config import plugins\n"
        "plugins.installed = dict\n"
        f"print(main({['train', 'dreamer_v1', *option.split()]}), 'torch' in sys.modules)"
    )
    environment = {"REVERIE_CACHE": str(cache)}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert ended.stdout == "2 False\n"
