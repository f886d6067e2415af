"""Config files of version 0.1, written by its own code, are today's configs."""

import json
from pathlib import Path

import pytest
import torch

from reverie import recipes
from reverie.config.files import decode, read_file, write_file
from reverie.config.overrides import override
from reverie.config.renamed import ADDED, renamed, renamed_parameters
from reverie.errors import UserError
from reverie.runs import checkpoint
from reverie.runs.config import RunConfig

OLD = sorted((Path(__file__).parent / "old").glob("*.json"))


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_a_config_file_of_0_1_is_read(path):
    name, size = path.stem.rsplit("-", 1)
    assert read_file(RunConfig, path) == recipes.build(name, size)


def test_arguments_of_our_own_environments_are_renamed():
    tree = json.loads((Path(__file__).parent / "old" / "dreamer_v1-tiny.json").read_text())
    tree["env"]["settings"] = ["goal=flat", "randomise=step"]
    assert decode(RunConfig, renamed(tree)).env.kwargs == ("goal=flat", "randomize=step")


def test_options_by_old_names_are_understood():
    config = override(recipes.build("dreamer_v1", "tiny"), {"model.optimiser.lr": "0.5"})
    assert config.model.optimizer.lr == 0.5
    planning = override(recipes.build("planet", "tiny"), {"behavior.planner": "Rank"})
    assert type(planning.behavior.planner).__name__ == "RandomShootingConfig"


def test_new_files_carry_their_format(tmp_path):
    write_file(tmp_path / "config.json", recipes.build("planet", "tiny"))
    tree = json.loads((tmp_path / "config.json").read_text())
    assert (tree["format"], tree["plugins"]) == (3, [])
    (tmp_path / "config.json").write_text(json.dumps(tree | {"format": 4}))
    with pytest.raises(UserError, match="written by a newer version of Reverie"):
        read_file(RunConfig, tmp_path / "config.json")


def without(tree, settings):
    """The encoded config without these settings of each type, as the format before wrote it."""
    if isinstance(tree, list):
        return [without(part, settings) for part in tree]
    if not isinstance(tree, dict):
        return tree
    lacks = settings.get(tree.get("type"), {})
    return {key: without(part, settings) for key, part in tree.items() if key not in lacks}


@pytest.mark.parametrize("name", ["dreamer_v1", "dreamer_v2", "planet", "pixel_forward"])
def test_a_config_file_of_format_2_gets_the_settings_that_came_later(name, tmp_path):
    config, path = recipes.build(name, "tiny"), tmp_path / "config.json"
    write_file(path, config)
    tree = json.loads(path.read_text())
    assert without(tree, ADDED) != tree
    path.write_text(json.dumps(without(tree, ADDED) | {"format": 2}))
    assert read_file(RunConfig, path) == config


def test_weights_of_0_1_are_read():
    assert renamed_parameters({"model.standardise.mean_pixels": 1, "model.encoder.x": 2}) == {
        "model.normalize.mean_pixels": 1,
        "model.encoder.x": 2,
    }


def test_checkpoints_of_0_1_are_read(tmp_path):
    state = {"model": {"standardise.scale": torch.ones(())}, "optimisers": {"model": {}}, "clock": {"updates": 3}}
    checkpoint.write(tmp_path, 3, state)
    state = checkpoint.newest(tmp_path)
    assert list(state["model"]) == ["normalize.scale"]
    assert state["optimizers"] == {"model": {}}
