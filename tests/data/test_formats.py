"""What `reverie collect` writes for other programs comes back as it was, and what is privileged stays so."""

import numpy as np
import pytest
import torch

from reverie.cli import command_line as main
from reverie.data import formats
from reverie.data.arrays import ArraysConfig
from reverie.data.dataset import DatasetConfig
from reverie.data.recording import collect
from reverie.envs.base import EnvConfig
from reverie.errors import UserError


@pytest.fixture(autouse=True)
def _own_places(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("REVERIE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def config(form: str, target: str, **settings):
    if form == "minari":
        pytest.importorskip("minari")
        from reverie.data.minari import MinariConfig

        return MinariConfig(target, **settings)
    if form == "lerobot":
        pytest.importorskip("pyarrow", reason="the extra `lerobot` is not installed")
        from reverie.data.lerobot import LeRobotConfig

        return LeRobotConfig(target, **settings)
    return ArraysConfig(target, **settings)


def load(config, folder):
    recorded = config.build(folder / "run", 0, torch.device("cpu"), torch.Generator())
    recorded.load(lambda text: None)
    return recorded


@pytest.mark.parametrize("form", ["minari", "lerobot", "arrays"])
@pytest.mark.parametrize("world", ["worlds:Slide-v0", "worlds:Buttons-v0"])
def test_a_written_dataset_is_read_back(form, world, tmp_path):
    target, env = formats.default_target(form, tmp_path / "data"), EnvConfig(world, ("picture",), image_size=8)
    theirs = config(form, target, image_size=8, held_out=0.3)
    collect(env, tmp_path / "data", 90, held_out=0.3, privileged=("place",))
    formats.FORMATS[form].write(tmp_path / "data", target)
    ours, theirs = load(DatasetConfig(str(tmp_path / "data")), tmp_path), load(theirs, tmp_path)
    assert theirs.spec == ours.spec
    assert list(theirs.spec.obs) == ["picture"]
    assert "obs/place" in theirs.train.ring
    for part in ("train", "test"):
        for name, column in getattr(ours, part).ring.items():
            torch.testing.assert_close(getattr(theirs, part).ring[name], column, rtol=0, atol=1e-6)


def test_large_images_become_a_video_for_lerobot(tmp_path, monkeypatch):
    av = pytest.importorskip("av")
    pytest.importorskip("pyarrow", reason="the extra `lerobot` is not installed")
    if "libsvtav1" not in av.codecs_available:
        pytest.skip("this PyAV has no encoder libsvtav1")
    monkeypatch.setattr("reverie.data.lerobot_writer.FILE_FRAMES", 30)
    collect(EnvConfig("worlds:Slide-v0", ("picture",), image_size=64), tmp_path / "data", 90)
    formats.FORMATS["lerobot"].write(tmp_path / "data", "lerobot")
    assert len(list((tmp_path / "lerobot").rglob("file-*.mp4"))) > 1
    ours, theirs = load(DatasetConfig(str(tmp_path / "data")), tmp_path), load(config("lerobot", "lerobot"), tmp_path)
    one, other = (data.train.ring["obs/picture"].float() for data in (ours, theirs))
    assert (one - other).abs().mean() < 4  # the column of 255 has moved nowhere: AV1 loses some sharpness
    assert torch.equal(ours.train.ring["reward"], theirs.train.ring["reward"])


def test_lerobot_finds_what_it_asks_for(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet", reason="the extra `lerobot` is not installed")
    pandas = pytest.importorskip("pandas")
    collect(EnvConfig("worlds:Slide-v0", ("picture",), image_size=8), tmp_path / "data", 60, privileged=("place",))
    formats.FORMATS["lerobot"].write(tmp_path / "data", "lerobot")
    meta = tmp_path / "lerobot" / "meta"
    tasks = pandas.read_parquet(meta / "tasks.parquet")
    assert tasks.iloc[0].name == "random actions in worlds:Slide-v0"
    episodes = pq.read_table(meta / "episodes" / "chunk-000" / "file-000.parquet").to_pydict()
    rows = pq.read_table(tmp_path / "lerobot" / "data" / "chunk-000" / "file-000.parquet").to_pydict()
    assert episodes["dataset_to_index"][-1] == len(rows["index"]) == sum(episodes["length"])
    assert rows["index"] == list(range(len(rows["index"])))
    second = episodes["dataset_from_index"][1]
    assert (rows["episode_index"][second - 1], rows["episode_index"][second], rows["frame_index"][second]) == (0, 1, 0)
    assert rows["next.done"][second - 2]
    assert {*rows} == {
        *("observation.images.picture", "observation.place", "action", "next.reward", "next.done", "next.terminated"),
        *("timestamp", "frame_index", "episode_index", "index", "task_index"),
    }


def test_the_command_writes_and_says_how_to_read(tmp_path, capsys):
    line = "collect worlds:Slide-v0 --workers 1 --env.observe picture --env.image_size 8 --privileged place"
    assert main.main(f"{line} --transitions 60 --out data --format arrays".split()) == 0
    assert "--data Arrays --data.file data.npz" in capsys.readouterr().out
    assert np.load("data.npz")["privileged"].tolist() == ["place"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--to here.npz", "--to says where a --format is written: name it too."),
        ("--format arrays --to here.txt", "here.txt is none: give one with --to."),
        ("--format arrays --to taken.npz", "taken.npz is there already: take another --to"),
        ("--format lerobot --to taken.npz", "taken.npz is there already: take another --to"),
    ],
)
def test_a_bad_target_is_refused_before_anything_is_played(options, sentence, tmp_path, capsys):
    if "lerobot" in options:
        pytest.importorskip("pyarrow", reason="the extra `lerobot` is not installed")
    (tmp_path / "taken.npz").touch()
    assert main.main(f"collect worlds:Slide-v0 --out data {options}".split()) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_a_failed_export_to_lerobot_leaves_nothing(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow", reason="the extra `lerobot` is not installed")
    from reverie.data import lerobot_writer

    collect(EnvConfig("worlds:Slide-v0", ("picture",), image_size=8), tmp_path / "data", 60)
    monkeypatch.setattr(lerobot_writer, "_png", lambda image: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        lerobot_writer.write(tmp_path / "data", "lerobot")
    assert not list(tmp_path.glob("lerobot*"))
    with pytest.raises(UserError, match="is no dataset"):
        lerobot_writer.write(tmp_path / "nothing", "lerobot")
