"""What may change in a run that has begun is applied; anything else is refused, by argument or by an edited config."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small_run
from interruptions import content, result

import reverie
from reverie import recipes
from reverie.config.checks import may_change
from reverie.config.files import encode
from reverie.config.overrides import leaves
from reverie.dynamics.rssm import SSMConfig
from reverie.errors import UserError
from reverie.runs import checkpoint
from reverie.runs.changes import check_changes
from reverie.runs.config import read_config
from reverie.runs.logger import read_metrics

EDITS = {
    "model.optimizer.lr": 0.5,
    "behavior.actor_optimizer.lr": 0.5,
    "behavior.gamma": 0.5,
    "model.dynamics.hidden": 7,
    "training.batch": 3,
    "training.prefill": 0,
    "replay.capacity": 60,
    "env.repeat": 1,
    "seed": 5,
    "size": "paper",
}


def edit(folder: Path, path: str, value: Any) -> None:
    """Change one setting in the text of `config.json`."""
    tree = json.loads((folder / "config.json").read_text())
    part = tree
    *groups, name = path.split(".")
    for group in groups:
        part = part[group]
    assert part[name] != value
    part[name] = value
    (folder / "config.json").write_text(json.dumps(tree))


@pytest.mark.slow
@pytest.mark.parametrize(("path", "value"), EDITS.items())
def test_an_edited_setting_that_would_change_the_past_is_refused(half, path, value):
    was = leaves(read_config(half))[path]
    edit(half, path, value)
    before = content(half)
    with pytest.raises(UserError) as error:
        reverie.resume(half, evaluate=False)
    sentence = f"`{path}` cannot change in a run that has begun ({was} in checkpoint-000000000080.pt, {value} in "
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    assert content(half) == before


@pytest.mark.slow
def test_an_exchanged_part_is_named_by_its_choice(half):
    edit(half, "model.dynamics", encode(SSMConfig()))
    with pytest.raises(UserError, match=r"`model.dynamics` cannot change .*\(RSSM in .*, SSM in config.json\)"):
        reverie.resume(half, evaluate=False)


@pytest.mark.slow
def test_what_may_change_is_applied_and_kept(half, uninterrupted):
    """Budget and reports by an edit, the rest by arguments. What the run computes stays bit for bit the same."""
    edit(half, "training.log_every", 10)
    edit(half, "evaluation.every", 150)
    edit(half, "training.frames", 300)
    settings = {"evaluation.episodes": 2, "training.checkpoint_every": 50, "replay.storage": "device", "threads": 1}
    reverie.resume(half, frames=small_run.DECISIONS * 2, overrides=settings, evaluate=False)
    assert result(half)[1] == result(uninterrupted)[1]
    lines = {kind: read_metrics(half, kind) for kind in ("train", "evaluation", "episode")}
    # The lines of the log that the checkpoint counts stay.
    assert [line["decisions"] for line in lines["train"]] == [60, 75, 90, 100, 110, 120]
    assert [(line["frames"], line["episodes"]) for line in lines["evaluation"]] == [(100, 1)]
    assert lines["episode"] == read_metrics(uninterrupted, "episode")
    assert [path.name[-6:-3] for path in checkpoint.paths(half / "checkpoints")] == ["100", "121"]
    kept = read_config(half)
    assert (kept.training.frames, kept.evaluation.episodes) == (240, 2)
    saved = checkpoint.newest(half / "checkpoints")["config"]
    assert (saved["training"]["frames"], saved["evaluation"]["episodes"]) == (240, 2)
    reverie.resume(half, evaluate=False)  # the changes are those of the run now


def test_the_settings_that_may_change_are_these():
    """A new setting takes part in the computation, unless it is marked."""
    marked = set()
    for name in recipes.RECIPES:
        config = recipes.build(name, "tiny")
        marked |= {path for path in leaves(config) if may_change(config, path)}
    assert marked == {
        *("device", "threads", "goals", "goal_episodes", "log.tensorboard", "training.minutes"),
        *("evaluation.every", "evaluation.episodes", "evaluation.final_episodes", "evaluation.sampled"),
        *("training.frames", "training.updates", "training.minutes", "training.execution", "training.log_every"),
        *("training.checkpoint_every", "training.checkpoint_minutes", "training.evaluate_every"),
        *("replay.storage", "env.workers", "data.env.workers"),
    }


def test_updates_of_an_agent_are_no_budget():
    config = small_run.config()
    with pytest.raises(UserError, match=r"`training\.updates` cannot change"):
        check_changes(config, replace(config, training=replace(config.training, updates=9)), "then", "now")
