"""Config files of version 0.1, written by its own code, are today's configs."""

import json
from pathlib import Path

import pytest

from reverie import recipes
from reverie.config.files import decode, read_file, write_file
from reverie.config.overrides import override
from reverie.config.renamed import (
    ADDED,
    ADDED_LATER,
    ADDED_SINCE_4,
    ADDED_SINCE_5,
    FORMAT,
    MIGRATIONS,
    renamed_parameters,
)
from reverie.errors import UserError
from reverie.runs.config import RunConfig

OLD = sorted((Path(__file__).parent / "old").glob("*.json"))


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_a_config_file_of_0_1_is_read(path):
    name, size = path.stem.rsplit("-", 1)
    assert read_file(RunConfig, path) == recipes.build(name, size)


def test_arguments_of_our_own_environments_are_renamed():
    tree = json.loads((Path(__file__).parent / "old" / "dreamer_v1-tiny.json").read_text())
    tree["env"]["settings"] = ["goal=flat", "randomise=step"]
    for number in range(1, FORMAT):
        tree = MIGRATIONS[number](tree)
    assert decode(RunConfig, tree).env.kwargs == ("goal=flat", "randomize=step")


def test_options_by_old_names_are_understood():
    config = override(recipes.build("dreamer_v1", "tiny"), {"model.optimiser.lr": "0.5"})
    assert config.model.optimizer.lr == 0.5
    planning = override(recipes.build("planet", "tiny"), {"behavior.planner": "Rank"})
    assert type(planning.behavior.planner).__name__ == "RandomShootingConfig"


def test_new_files_carry_their_format(tmp_path):
    write_file(tmp_path / "config.json", recipes.build("planet", "tiny"))
    tree = json.loads((tmp_path / "config.json").read_text())
    assert (tree["format"], tree["plugins"]) == (FORMAT, [])
    (tmp_path / "config.json").write_text(json.dumps(tree | {"format": FORMAT + 1}))
    with pytest.raises(UserError, match="written by a newer version of Reverie"):
        read_file(RunConfig, tmp_path / "config.json")


def without_added(tree, number):
    """Return an encoded config without the settings that came after a format, 2 to 5."""
    if isinstance(tree, list):
        return [without_added(part, number) for part in tree]
    if not isinstance(tree, dict):
        return tree
    kind = str(tree.get("type"))
    added = {2: ADDED, 3: ADDED_LATER, 4: ADDED_SINCE_4, 5: ADDED_SINCE_5}
    later = {key for since, settings in added.items() if since >= number for key in settings.get(kind, {})}
    later.add("vector_std")
    return {key: without_added(part, number) for key, part in tree.items() if key not in later}


def test_what_acts_in_a_run_on_recorded_data_had_another_name(tmp_path):
    config = recipes.build("cfm", "tiny")
    write_file(tmp_path / "config.json", config)
    tree = json.loads((tmp_path / "config.json").read_text())
    tree["actor"] = tree.pop("behavior")
    (tmp_path / "config.json").write_text(json.dumps(tree | {"format": 5}))
    assert read_file(RunConfig, tmp_path / "config.json") == config
    assert override(config, {"actor": "none"}).behavior is None


@pytest.mark.parametrize("number", [2, 3, 4, 5])
@pytest.mark.parametrize("name", ["dreamer_v2", "inverse", "pixel_forward", "planet"])
def test_settings_that_came_later_have_the_value_that_computes_the_same(name, number, tmp_path):
    config = recipes.build(name, "tiny")
    write_file(tmp_path / "config.json", config)
    tree = without_added(json.loads((tmp_path / "config.json").read_text()), number) | {"format": number}
    if tree["type"] == "OfflineConfig":
        tree["actor"] = tree.pop("behavior")
    assert ("log" in tree) == (number == 5)
    assert ("minutes" in tree["training"]) == (number >= 4)
    assert "cooldown" not in tree["training"]
    assert ("epsilon_hat" in json.dumps(tree)) == (number >= 3)
    (tmp_path / "config.json").write_text(json.dumps(tree))
    assert read_file(RunConfig, tmp_path / "config.json") == config


def test_vectors_had_the_likelihood_of_images(tmp_path):
    config = override(recipes.build("dreamer_v3", "tiny"), {"model.signals.reconstruction.vector_std": "0.3"})
    write_file(tmp_path / "config.json", config)
    tree = without_added(json.loads((tmp_path / "config.json").read_text()), 5) | {"format": 5}
    assert "start_every" not in tree["behavior"]
    (tmp_path / "config.json").write_text(json.dumps(tree))
    read = read_file(RunConfig, tmp_path / "config.json")
    assert read == recipes.build("dreamer_v3", "tiny")
    assert read.model.signals["reconstruction"].vector_std == read.model.signals["reconstruction"].std


def test_the_memory_of_the_replay_had_another_name(tmp_path):
    config = override(recipes.build("dreamer_v3", "tiny"), {"replay.storage": "auto"})
    write_file(tmp_path / "config.json", config)
    tree = json.loads((tmp_path / "config.json").read_text())
    tree["replay"]["storage"] = "host"
    for number in (1, 2, 3):
        (tmp_path / "config.json").write_text(json.dumps(tree | {"format": number}))
        assert read_file(RunConfig, tmp_path / "config.json") == config


def test_weights_of_0_1_are_read():
    assert renamed_parameters({"model.standardise.mean_pixels": 1, "model.encoder.x": 2}) == {
        "model.normalize.mean_pixels": 1,
        "model.encoder.x": 2,
    }


@pytest.mark.parametrize("name", ["dreamer_v3-tiny", "planet-tiny", "data-Arrays", "data-AgentReplay"])
def test_a_config_that_format_3_wrote_is_read(name, tmp_path):
    """That version wrote `format_3.json` itself, so a setting that was added without its old value is found."""
    tree = json.loads((Path(__file__).parent / "format_3.json").read_text())[name]
    (tmp_path / "config.json").write_text(json.dumps(tree))
    config = read_file(RunConfig, tmp_path / "config.json")
    assert (tree["format"], config.recipe) == (3, tree["recipe"])
