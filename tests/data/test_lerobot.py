"""LeRobot datasets: a made-up robot's are read, whatever their version, codec and number of files."""

import json
import sys

import numpy as np
import pytest
import torch

pytest.importorskip("pyarrow", reason="the extra `lerobot` is not installed")

import av
import pyarrow.parquet as pq
import robot_datasets
from robot_datasets import CAMERAS, dataset, gray

from reverie.cli import command_line as main
from reverie.data import videos
from reverie.data.chunks import chunks
from reverie.data.lerobot import LeRobotConfig
from reverie.data.storage import Disk
from reverie.errors import UserError
from reverie.files import cache_folder


def encoder(name: str):
    try:
        av.Codec(name, "w")
    except Exception:
        return pytest.param(name, marks=pytest.mark.skip(reason=f"this PyAV has no encoder {name}"))
    return name


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REVERIE_CACHE", str(tmp_path / "cache"))


def read(folder, run, said=None, **settings):
    config = LeRobotConfig(str(folder), **{"image_size": 8, "held_out": 0.3, **settings})
    recorded = config.build(run, 0, torch.device("cpu"), torch.Generator())
    recorded.load(lambda text: None if said is None else said.append(text))
    return recorded


def grays(columns, name):
    return columns[f"obs/{name}"].float().mean((1, 2, 3))


@pytest.mark.parametrize(
    ("version", "codec", "a_file"),
    [
        ("v3.0", encoder("libx264"), 2),
        ("v3.0", encoder("libsvtav1"), 3),
        ("v2.1", encoder("libx264"), 1),
        ("v2.0", encoder("libsvtav1"), 1),
    ],
)
def test_rows_and_frames_become_columns(version, codec, a_file, tmp_path):
    folder = dataset(tmp_path / "robot", version, codec, a_file=a_file)
    recorded = read(folder, tmp_path / "run", privileged=("state",))
    assert list(recorded.spec.obs) == ["front", "wrist"]
    assert recorded.spec.obs["front"].shape == (8, 8, 3)
    train, test = recorded.train.ring, recorded.test.ring
    assert test["obs/state"][:, 0].tolist() == [0] * 7  # six frames, and the last one again
    assert train["obs/state"].tolist() == [
        [e, min(t, n - 1), -min(t, n - 1)] for e, n in ((1, 5), (2, 7)) for t in range(n + 1)
    ]
    for camera, name in enumerate(CAMERAS):
        levels = [gray(camera, e, min(t, n - 1)) for e, n in ((1, 5), (2, 7)) for t in range(n + 1)]
        np.testing.assert_allclose(grays(train, name), levels, atol=1.9)  # half the step from frame to frame
    assert train["reward"].tolist() == [*range(6), *range(8)]
    assert train["is_first"].nonzero()[:, 0].tolist() == [0, 6]
    assert train["is_last"].nonzero()[:, 0].tolist() == [5, 13]
    assert train["is_terminal"].nonzero()[:, 0].tolist() == [5]  # only episode 1 succeeded
    acted = [[2 * t / 6 - 1, 2 * (10 * e + t) / 26 - 1] for e, n in ((1, 5), (2, 7)) for t in range(n)]
    np.testing.assert_allclose(train["action"][~train["is_last"]], acted, atol=1e-6)
    assert train["action"][train["is_last"]].abs().max() == 0
    assert json.loads((tmp_path / "run" / "actions.json").read_text()) == {"low": [0, 0], "high": [6, 26]}


def test_without_rewards_the_last_action_is_left_out(tmp_path):
    ring = read(dataset(tmp_path / "robot", rewards=False), tmp_path / "run", observe=("state",)).train.ring
    assert ring["obs/state"][:, 1].tolist() == [*range(5), *range(7)]
    assert ring["reward"].abs().max() == 0
    assert not ring["is_terminal"].any()
    assert json.loads((tmp_path / "run" / "actions.json").read_text())["high"] == [5, 25]


def test_images_in_the_tables_are_read(tmp_path):
    ring = read(dataset(tmp_path / "robot", stored="image"), tmp_path / "run", observe=("wrist",)).train.ring
    levels = [gray(1, e, min(t, n - 1)) for e, n in ((1, 5), (2, 7)) for t in range(n + 1)]
    assert grays(ring, "wrist").tolist() == levels


def test_frames_are_decoded_once_for_all_runs(tmp_path, monkeypatch):
    folder = dataset(tmp_path / "robot")
    said: list[str] = []
    first = read(folder, tmp_path / "one", said)
    assert "preparing episode 3 of 3, once for all runs" in said
    monkeypatch.setattr(videos, "frames", None)
    again = read(folder, tmp_path / "two", said)
    for part in ("train", "test"):
        one, two = (getattr(recorded, part).ring for recorded in (first, again))
        assert all(torch.equal(one[name], two[name]) for name in one)
    with pytest.raises(UserError, match="'NoneType' object is not callable"):  # other settings are other columns
        read(folder, tmp_path / "three", image_size=16)


def test_an_interrupted_decoding_goes_on(tmp_path, monkeypatch):
    folder, decoded, frames = dataset(tmp_path / "robot", a_file=1), [], videos.frames
    monkeypatch.setattr("reverie.data.cache.CHUNK", 1)

    def stopping(file, *rest):
        if len(decoded) == 2:
            raise KeyboardInterrupt
        decoded.append(file.name)
        return frames(file, *rest)

    monkeypatch.setattr(videos, "frames", stopping)
    with pytest.raises(KeyboardInterrupt):
        read(folder, tmp_path / "run", observe=("front",))
    monkeypatch.setattr(videos, "frames", lambda file, *rest: decoded.append(file.name) or frames(file, *rest))
    whole = read(folder, tmp_path / "run", observe=("front",))
    assert decoded == ["file-000.mp4", "file-001.mp4", "file-002.mp4"]
    assert len(whole.train) == 14


def test_what_is_larger_than_memory_is_read_from_the_cache(tmp_path, monkeypatch):
    folder = dataset(tmp_path / "robot")
    inside = read(folder, tmp_path / "one").train.sequential(3, 4)
    monkeypatch.setattr("reverie.data.storage.available_memory", lambda device: 1)
    train = read(folder, tmp_path / "two").train
    assert isinstance(train.storage, Disk)
    assert torch.equal(train.sequential(3, 4).obs["front"], inside.obs["front"])


def test_a_damaged_cache_is_one_sentence(tmp_path):
    folder = dataset(tmp_path / "robot")
    read(folder, tmp_path / "run")
    (kept,) = (cache_folder() / "recordings").iterdir()
    ((_, _, path),) = chunks(kept / "train")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(UserError, match=f"The prepared recordings in {kept} are damaged: delete that folder"):
        read(folder, tmp_path / "run")


def without(*names):
    def spoil(folder):
        for name in names:
            next(folder.rglob(name)).unlink()

    return spoil


def edited(**changed):
    def spoil(folder):
        path = folder / "meta" / "info.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))

    return spoil


def shorter_film(folder):
    robot_datasets.film(next((folder / "videos").rglob("*front*/*/file-000.mp4")), [9] * 8, "libx264")


def shorter_table(folder):
    path = folder / "data" / "chunk-000" / "file-000.parquet"
    robot_datasets.write(path, pq.read_table(path).slice(1))


def cut_film(folder):
    path = next((folder / "videos").rglob("*front*/*/file-001.mp4"))
    path.write_bytes(path.read_bytes()[:400])


def wrong_length(folder):
    path = folder / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(path).to_pylist()
    table[1]["length"] = 9
    robot_datasets.write(path, robot_datasets.pa.Table.from_pylist(table))


@pytest.mark.parametrize(
    ("spoil", "settings", "sentence"),
    [
        (None, {"path": ""}, "No LeRobot dataset is named: give its folder with --data.path."),
        (without("info.json"), {}, "robot is no LeRobot dataset, for it has no meta/info.json"),
        (edited(codebase_version="v1.6"), {}, "is of LeRobot's format v1.6, and Reverie reads v3.0, v2.1, v2.0"),
        (edited(features={}), {}, "robot has no column 'action'"),
        (edited(fps="fast"), {}, "robot cannot be read (ValueError: could not convert string"),
        (
            without("*front/chunk-000/file-001.mp4"),
            {},
            "file-001.mp4 of observation.images.front: fetch the dataset anew",
        ),
        (without("data/chunk-000/file-001.parquet"), {}, "robot lacks the file"),
        (None, {"observe": ("frnt",)}, "robot has no observation 'frnt', only front, wrist, state: choose with"),
        (None, {"privileged": ("stat",)}, "robot has no observation 'stat', only front, wrist, state"),
        (None, {"observe": ("state",), "privileged": ("state",)}, "Everything that was recorded is privileged"),
        (shorter_film, {}, "file-000.mp4 has 2 of 5 frames from second 0.600: restore it."),
        (shorter_table, {}, "file-000.parquet has 5 rows of episode 0, which has 6 frames"),
        (cut_film, {}, "file-001.mp4 cannot be decoded ("),
        (wrong_length, {}, "Episode 1 of robot has 9 frames and 0.500 seconds of observation.images.front"),
    ],
)
def test_bad_datasets_are_one_sentence(spoil, settings, sentence, tmp_path):
    folder = dataset(tmp_path / "robot")
    if spoil:
        spoil(folder)
    with pytest.raises(UserError) as error:
        read(settings.pop("path", folder), tmp_path / "run", **settings)
    assert sentence in str(error.value).replace(str(folder), "robot")
    assert "\n" not in str(error.value)


def test_a_video_of_one_episode_has_no_more_frames(tmp_path):
    folder = dataset(tmp_path / "robot", "v2.1")
    robot_datasets.film(next((folder / "videos").rglob("*front*/episode_000001.mp4")), [9] * 9, "libx264")
    with pytest.raises(UserError, match=r"episode_000001\.mp4 has more than 5 frames"):
        read(folder, tmp_path / "run")


def test_a_missing_extra_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"LeRobot datasets need pyarrow: pip install 'reverie\[lerobot\]'."):
        read(tmp_path, tmp_path / "run")


@pytest.mark.slow
def test_a_model_is_trained_from_a_dataset(tmp_path, capsys):
    dataset(tmp_path / "robot", lengths=(9, 8, 10))
    line = f"train state_space --size tiny --run {tmp_path / 'run'} --data LeRobot --data.path {tmp_path / 'robot'}"
    settings = "--data.image_size 16 --training.updates 3 --training.length 6 --data.privileged state --threads 1"
    assert main.main(f"{line} {settings}".split()) == 0
    assert "held-out sequences" in capsys.readouterr().out
