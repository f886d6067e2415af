"""Runs of older versions go on, and checkpoints by the clock change no result."""

import json
import shutil

import format_1
import pytest
import small_run
import torch
from interruptions import assert_same

import reverie
from reverie.errors import UserError
from reverie.runs import checkpoint
from reverie.runs.config import read_config
from reverie.runs.online import OnlineRun


@pytest.mark.slow
def test_a_run_of_version_0_1_goes_on_bit_for_bit(half, uninterrupted):
    """Its checkpoints have other names, settings of optimizers that no longer count, and no config."""
    format_1.rewrite(half)
    reverie.resume(half, evaluate=False)
    assert_same(half, uninterrupted)


@pytest.mark.slow
def test_a_checkpoint_of_0_1_that_lacks_a_part_names_its_version(half):
    format_1.rewrite(half)
    versions = json.loads((half / "versions.json").read_text())
    (half / "versions.json").write_text(json.dumps(versions | {"reverie": "0.1.0", "commit": "a" * 40}))
    newest = checkpoint.paths(half / "checkpoints")[-1]
    state = torch.load(newest, weights_only=True)
    del state["optimisers"]
    torch.save(state, newest)
    with pytest.raises(UserError, match=r"'optimizers'.*written by Reverie 0.1.0, commit aaaaaaaaaa: that version can"):
        reverie.resume(half, evaluate=False)


def test_a_config_that_does_not_fit_names_the_version_that_wrote_it(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"type": "OnlineConfig", "recipe": "old"}))
    (tmp_path / "versions.json").write_text(json.dumps({"reverie": "0.0.1", "commit": "b" * 40}))
    with pytest.raises(
        UserError, match=r"lacks the key .* written by Reverie 0\.0\.1, commit bbbbbbbbbb: that version"
    ):
        read_config(tmp_path)


@pytest.mark.slow
def test_checkpoints_by_minutes_change_no_result(folder, uninterrupted):
    """A checkpoint after every update and decision, and a kill between two of them."""
    config = small_run.config(checkpoint_minutes=1e-9, checkpoint_every=1_000)
    saved = []
    real = OnlineRun.save

    def save(run):
        saved.append(run.clock.updates)
        if len(saved) == 100:
            raise KeyboardInterrupt
        return real(run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OnlineRun, "save", save)
        with pytest.raises(KeyboardInterrupt):
            reverie.train(config, folder, evaluate=False)
    assert len(set(saved)) > 3
    shutil.copytree(folder, folder.with_name("before"))
    reverie.resume(folder, evaluate=False)
    assert_same(folder, uninterrupted)
    # The older checkpoint of the two is whole as well: the replay still has what it needs.
    older = folder.with_name("before")
    checkpoint.paths(older / "checkpoints")[-1].unlink()
    reverie.resume(older, evaluate=False)
    assert_same(older, uninterrupted)
