"""A run that is killed at any moment and resumed computes the same as an uninterrupted one, bit for bit.

The tests resume one small run (`small_run.py`). They compare its log, timings excluded, and its agent with those of an
uninterrupted run.
"""

import errno
import os
import shutil
import signal
import time
from dataclasses import replace

import pytest
import small_run
import torch
import worlds
from interruptions import Killed, assert_same, kill_at_rename, result, start, wait_for_checkpoint

import reverie
from reverie.envs import vector
from reverie.errors import UserError
from reverie.learners.evolution import EvolutionConfig
from reverie.runs import checkpoint
from reverie.runs.config import OnlineConfig
from reverie.runs.logger import read_metrics

pytestmark = pytest.mark.slow


# In processes of their own


def test_a_run_killed_three_times_ends_as_the_uninterrupted_one(folder, uninterrupted):
    """SIGKILL soon after the second, third and fourth checkpoint, at an arbitrary moment."""
    for number, (decision, delay) in enumerate([(40, 0.03), (60, 0.0), (80, 0.01)]):
        process = start("resume" if number else "train", folder)
        wait_for_checkpoint(process, folder, decision)
        time.sleep(delay)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    process = start("resume", folder)
    assert process.communicate()[1] == ""
    assert process.returncode == 0
    assert_same(folder, uninterrupted)


def test_ctrl_c_saves_and_names_the_command_to_resume(folder, uninterrupted):
    process = start("train", folder)
    wait_for_checkpoint(process, folder, 60)
    process.send_signal(signal.SIGINT)
    said, message = process.communicate()[1].splitlines()
    assert said == "stopping at SIGINT: the run is saved first; Ctrl-C again stops at once"
    assert message == f"Interrupted and saved: go on with `reverie resume {folder}`."
    assert process.returncode == 1
    reverie.resume(folder, evaluate=False)
    assert_same(folder, uninterrupted)


# In this process, at chosen moments


def test_a_kill_at_any_rename_of_a_save_loses_nothing(folder, uninterrupted):
    """A save renames four files: replay, checkpoint, agent.json, agent.safetensors. A new run renames two before."""
    with kill_at_rename(2 + 4 + 1, after=False), pytest.raises(Killed):
        reverie.train(small_run.config(), folder, evaluate=False)
    moments = [(1, False), (1, True), (2, False), (4 + 2, True), (3, True), (4, False), (4, True), (1, True)]
    for number, after in moments:
        with kill_at_rename(number, after), pytest.raises(Killed):
            reverie.resume(folder, evaluate=False)
    (folder / "replay" / ".chunk.safetensors.1.partial").write_bytes(b"half")  # as another process would leave it
    reverie.resume(folder, evaluate=False)
    assert_same(folder, uninterrupted)
    assert not list(folder.rglob(".*.partial"))


def test_a_kill_between_the_last_checkpoint_and_the_agent_loses_nothing(folder, uninterrupted):
    saves = small_run.DECISIONS // small_run.CHECKPOINT
    with kill_at_rename(2 + 4 * (saves - 1) + 2, after=True), pytest.raises(Killed):
        reverie.train(small_run.config(), folder, evaluate=False)
    reverie.resume(folder, evaluate=False)
    assert_same(folder, uninterrupted)


def test_resuming_a_finished_run_changes_nothing_and_repairs_its_agent(folder, uninterrupted):
    shutil.copytree(uninterrupted, folder)
    (folder / "agent.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match="reverie resume"):
        reverie.load(folder)
    reverie.resume(folder, evaluate=False)
    assert_same(folder, uninterrupted)
    reverie.load(folder)


def test_only_the_newest_two_checkpoints_remain(half):
    assert [path.name for path in checkpoint.paths(half / "checkpoints")] == [
        "checkpoint-000000000060.pt",
        "checkpoint-000000000080.pt",
    ]


def learners() -> dict[str, OnlineConfig]:
    """Return the small run with other learners: a slow value, a population, and a replay that changes afterwards."""
    base, second, third = small_run.config(), reverie.recipe("dreamer_v2", "tiny"), reverie.recipe("dreamer_v3", "tiny")
    joint = replace(base.training, prefill=0, ratio=6.0, starts=4)
    evolution = EvolutionConfig(base.behavior.policy, population=4, starts=4, horizon=3)
    return {
        "dreamer_v2": replace(base, model=second.model, behavior=second.behavior),
        "dreamer_v3": replace(base, model=third.model, behavior=third.behavior, replay=third.replay, training=joint),
        "evolution": replace(base, behavior=evolution),
    }


@pytest.mark.parametrize("method", learners())
def test_every_learner_resumes_bit_for_bit(folder, method):
    reverie.train(learners()[method], folder, evaluate=False)
    expected = result(folder)
    checkpoint.paths(folder / "checkpoints")[-1].unlink()
    reverie.resume(folder, evaluate=False)
    assert result(folder) == expected


def test_resume_skips_a_damaged_checkpoint(half, uninterrupted):
    newest = checkpoint.paths(half / "checkpoints")[-1]
    content = newest.read_bytes()
    newest.write_bytes(content[: len(content) // 2])
    with pytest.warns(UserWarning, match=r"checkpoint-000000000080\.pt is damaged"):
        reverie.resume(half, evaluate=False)
    assert_same(half, uninterrupted)


def test_resume_refuses_a_damaged_replay_chunk(half):
    chunk = sorted((half / "replay").glob("*.safetensors"))[1]
    content = bytearray(chunk.read_bytes())
    content[-1] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(UserError, match=rf"{chunk.name} cannot be read \(wrong checksum\)"):
        reverie.resume(half, evaluate=False)


@pytest.mark.parametrize("number", [0, 1, 2, 3, 5])
def test_a_full_disk_stops_with_one_sentence_and_loses_nothing(half, uninterrupted, monkeypatch, number):
    """The disk is full at one flush of a save: of the log, the replay, the checkpoint or the agent."""
    before = {path.name: path.read_bytes() for path in checkpoint.paths(half / "checkpoints")}
    real, count = os.fsync, 0

    def fsync(descriptor):
        nonlocal count
        count += 1
        if count > number:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(UserError) as error:
        reverie.resume(half, evaluate=False)
    monkeypatch.undo()
    assert "disk" in str(error.value)
    assert "full" in str(error.value)
    assert "\n" not in str(error.value)
    after = {path.name: path.read_bytes() for path in checkpoint.paths(half / "checkpoints")}
    newest = "checkpoint-000000000080.pt"
    assert after[newest] == before[newest]
    assert not list(half.rglob("*.partial"))
    reverie.resume(half, evaluate=False)
    assert_same(half, uninterrupted)


def test_a_run_that_was_killed_before_its_config_can_be_started_again(folder, uninterrupted):
    with kill_at_rename(2, after=False), pytest.raises(Killed):
        reverie.train(small_run.config(), folder, evaluate=False)
    assert sorted(path.name for path in folder.iterdir() if "partial" not in path.name) == ["origin"]
    reverie.train(small_run.config(), folder, evaluate=False)
    assert result(folder) == result(uninterrupted)
    assert not list(folder.rglob("*.partial"))


def test_a_run_without_a_checkpoint_starts_anew(folder, uninterrupted):
    with kill_at_rename(3, after=True), pytest.raises(Killed):
        reverie.train(small_run.config(), folder, evaluate=False)
    assert not checkpoint.paths(folder / "checkpoints")
    with pytest.raises(UserError, match="is not empty"):
        reverie.train(small_run.config(), folder, evaluate=False)
    reverie.resume(folder, evaluate=False)
    assert result(folder) == result(uninterrupted)


def test_a_folder_without_a_config_is_not_resumed(tmp_path):
    with pytest.raises(UserError, match=r"no config\.json"):
        reverie.resume(tmp_path, evaluate=False)


# Counts, seeds and bad batches


def test_frames_decisions_and_updates_are_counted_apart(uninterrupted):
    lines = read_metrics(uninterrupted)
    assert {line["kind"] for line in lines} == {"train", "episode", "evaluation", "timing"}
    # A decision takes two frames, or one at the end of some episodes.
    assert all(2 * line["decisions"] - line["frames"] in (0, 1, 2) for line in lines)
    rounds = (small_run.DECISIONS - small_run.PREFILL) // small_run.ROUND
    last = lines[-1]
    assert checkpoint.newest(uninterrupted / "checkpoints")["clock"]["frames"] in (240, 241)
    assert last["updates"] == 2 * rounds
    for line in read_metrics(uninterrupted, "train"):  # logged on every 15th decision, from the first updates on
        assert line["decisions"] % 15 == 0
        assert line["updates"] == 2 * ((line["decisions"] - small_run.PREFILL) // small_run.ROUND)
    episodes = read_metrics(uninterrupted, "episode")
    assert max(line["decisions_long"] for line in episodes) == 10  # 20 frames
    assert [line["frames"] for line in read_metrics(uninterrupted, "evaluation")] == [100, 200]


def test_every_environment_counts_its_frames_and_decisions(folder):
    reverie.train(small_run.config(count=3, frames=2 * 90), folder, evaluate=False)
    clock = checkpoint.newest(folder / "checkpoints")["clock"]
    assert (clock["frames"], clock["decisions"]) == (180, 90)
    learning = 90 - 42  # the first multiple of 3 decisions that is at least the prefill's 40
    assert clock["updates"] == small_run.UPDATES * (learning // small_run.ROUND)


def test_a_run_depends_on_its_seed_alone(folder, uninterrupted):
    config = small_run.config()
    reverie.train(config, folder, evaluate=False)
    assert_same(folder, uninterrupted)
    other = folder.with_name("other")
    reverie.train(reverie.OnlineConfig(**{**vars(config), "seed": 1}), other, evaluate=False)
    assert result(other)[0] != result(uninterrupted)[0]


@pytest.mark.parametrize("updates", [1, 4])
def test_a_loss_that_is_not_finite_stops_the_run_before_it_acts(folder, updates, monkeypatch):
    """The batch is saved, and the last good checkpoint stays."""
    monkeypatch.setattr(worlds.Poisoned, "episodes", 0)
    monkeypatch.setattr(worlds.Poisoned, "poison", 1e30)  # finite, but its square is not
    with pytest.raises(UserError, match=r"loss/model, loss/reward.* not finite: the batch is in"):
        reverie.train(
            small_run.config("Poisoned", updates=updates, prefill=20, checkpoint_every=10), folder, evaluate=False
        )
    batch = torch.load(folder / "nonfinite.pt", weights_only=True)["batch"]
    assert (batch["reward"] > 1e29).any()
    newest = checkpoint.newest(folder / "checkpoints")
    assert all(x.isfinite().all() for x in newest["agent"].values())
    assert newest["clock"]["updates"] > 0


def test_a_dead_worker_loses_its_episode_only(folder, monkeypatch):
    """`WorkerEnvironments` returns None for the step of a dead worker."""
    real, count = vector.SerialEnvironments.step, 0

    def step(self, actions):
        nonlocal count
        count += 1
        steps = real(self, actions)
        if count % 37 == 0:
            steps[0] = None
        return steps

    monkeypatch.setattr(vector.SerialEnvironments, "step", step)
    reverie.train(small_run.config(), folder, evaluate=False)
    assert checkpoint.newest(folder / "checkpoints")["clock"]["frames"] in (240, 241)
    assert all(line["decisions_long"] <= 10 for line in read_metrics(folder, "episode"))
    state = checkpoint.newest(folder / "checkpoints")
    episodes = read_metrics(folder, "episode")
    assert state["replay_total"] == sum(line["decisions_long"] + 1 for line in episodes)
