"""The same training with its replay in memory, on the disk and on the device: the same bits, killed or not."""

from collections import namedtuple
from dataclasses import replace

import pytest
import small_run
import torch
from interruptions import Killed, content, kill_at_rename, result
from safetensors.torch import load_file

import reverie
from reverie import tree
from reverie.data import storage as storages
from reverie.data.chunks import chunks
from reverie.runs import checkpoint
from reverie.runs import online as online_runs
from reverie.runs.config import OnlineConfig
from reverie.runs.online import OnlineRun

SETTINGS = {
    "anywhere": {},
    "within episodes": {"windows": "episodes", "ends": True},
    "latents and queue": {"latents": True, "online": True},
}


def config(place: str, frames: int = small_run.DECISIONS * small_run.REPEAT, **settings) -> OnlineConfig:
    made = small_run.config(frames=frames)
    return replace(made, replay=replace(made.replay, storage=place, **settings))


def assert_equal(folder, expected) -> None:
    """Compare log, weights, the newest checkpoint and the replay's files, bit for bit."""
    assert result(folder) == result(expected)
    assert content(folder / "replay") == content(expected / "replay")
    states = [checkpoint.newest(each / "checkpoints") for each in (folder, expected)]
    for state in states:
        for name in ("config", "file", "log_position", "time"):  # where the replay lies, and timings
            del state[name]
    one, other = (tree.map(lambda x: (x.dtype, x.shape, x.numpy().tobytes()), state) for state in states)
    assert one == other


@pytest.mark.slow
@pytest.mark.parametrize("settings", SETTINGS)
def test_a_training_computes_the_same_wherever_its_replay_lies(tmp_path, settings):
    """40 of 80 decisions are kept, so the replay is full before the end."""
    for place in ("memory", "disk", "device")[: 3 if settings == "anywhere" else 2]:
        reverie.train(config(place, 160, capacity=40, **SETTINGS[settings]), tmp_path / place, evaluate=False)
        assert_equal(tmp_path / place, tmp_path / "memory")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rename", "before", "after"), [(16, "memory", "disk"), (17, "disk", "memory"), (18, "disk", "disk")]
)
def test_a_run_is_killed_and_goes_on_with_its_replay_elsewhere(folder, uninterrupted, before, after, rename):
    """The kill comes before, after or between the renames of chunk, checkpoint and weights."""
    with kill_at_rename(rename, after=rename == 16), pytest.raises(Killed):
        reverie.train(config(before), folder, evaluate=False)
    reverie.resume(folder, overrides={"replay.storage": after}, evaluate=False)
    assert_equal(folder, uninterrupted)


@pytest.mark.slow
def test_columns_that_are_written_before_a_checkpoint_change_nothing(monkeypatch, folder, uninterrupted):
    """Every episode is written at once. Killed before the next checkpoint, a run drops them and makes them anew."""
    monkeypatch.setattr(storages, "MOST_UNWRITTEN", 1)
    saves, save = [], OnlineRun.save

    def killed(run):
        saves.append(run.replay.total)
        if len(saves) == 4:
            raise Killed
        return save(run)

    with monkeypatch.context() as patch:
        patch.setattr(OnlineRun, "save", killed)
        with pytest.raises(Killed):
            reverie.train(config("disk"), folder, evaluate=False)
    assert chunks(folder / "replay")[-1][1] > checkpoint.newest(folder / "checkpoints")["replay_total"]
    reverie.resume(folder, evaluate=False)
    assert result(folder) == result(uninterrupted)
    parts = [[load_file(path) for _, _, path in chunks(each / "replay")] for each in (folder, uninterrupted)]
    assert len(parts[0]) > len(parts[1])
    for name in parts[0][0]:
        one, other = (torch.cat([part[name] for part in each]) for each in parts)
        assert torch.equal(one, other)


def test_a_disk_that_is_too_small_is_told_at_the_start(monkeypatch, tmp_path):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(online_runs.shutil, "disk_usage", lambda folder: usage(free=2**30))
    with pytest.warns(UserWarning, match=r"grows by 7\.29 GiB and 1\.00 GiB are free"):
        OnlineRun(config("disk", 2 * 10**7, capacity=10**7), tmp_path / "run").close()
