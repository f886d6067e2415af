"""Minari datasets: a made-up robot's are read, ours are written and come back as they were."""

import json
import warnings

import numpy as np
import pytest
import torch
from gymnasium import spaces

pytest.importorskip("minari")
pytest.importorskip("h5py")

import h5py
import minari
from minari.data_collector import EpisodeBuffer

from reverie.cli import command_line as main
from reverie.data.dataset import DatasetConfig
from reverie.data.minari import MinariConfig
from reverie.data.recording import collect
from reverie.envs.base import EnvConfig
from reverie.errors import UserError


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))


SPACES = {
    "observation_space": spaces.Dict(
        camera=spaces.Dict(rgb=spaces.Box(0, 255, (24, 20, 3), np.uint8)),
        joints=spaces.Box(-np.inf, np.inf, (2,), np.float64),
        grip=spaces.Discrete(3),
    ),
    "action_space": spaces.Box(np.array([-2.0, -np.inf]), np.array([6.0, np.inf]), (2,), np.float64),
}


def episode(number: int, length: int = 6) -> EpisodeBuffer:
    """Times t show the gray 10 number + t, are acted on by [t, number + t], and give the reward t + 1."""
    time = np.arange(length + 1)
    rgb = np.broadcast_to((10 * number + time)[:, None, None, None], (length + 1, 24, 20, 3)).astype(np.uint8)
    return EpisodeBuffer(
        observations={"camera": {"rgb": rgb}, "joints": np.stack([time, -time], 1).astype(float), "grip": time % 3},
        actions=np.stack([time[:-1], number + time[:-1]], 1).astype(float),
        rewards=list(1.0 + time[:-1]),
        terminations=[False] * (length - 1) + [number % 2 == 1],
        truncations=[False] * (length - 1) + [number % 2 == 0],
    )


def robot(dataset_id: str = "robot/push-v0", episodes: int = 4, buffers=None, **changed) -> str:
    buffers = [episode(number) for number in range(episodes)] if buffers is None else buffers
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        minari.create_dataset_from_buffers(dataset_id, buffers, jpeg_encoding=False, **{**SPACES, **changed})
    return dataset_id


def read(folder, dataset_id: str, **settings):
    config = MinariConfig(dataset_id, **{"image_size": 8, "held_out": 0.25, **settings})
    recorded = config.build(folder / "run", 0, torch.device("cpu"), torch.Generator())
    recorded.load(lambda text: None)
    return recorded


def test_a_robot_dataset_is_read_in_the_normal_form(tmp_path):
    recorded = read(tmp_path, robot(), privileged=("joints",))
    ring = recorded.train.ring  # episodes 1 to 3
    assert set(recorded.spec.obs) == {"camera/rgb", "grip"}
    assert recorded.spec.obs["camera/rgb"].shape == (8, 8, 3)
    gray = [10 * number + t for number in (1, 2, 3) for t in range(7)]
    assert ring["obs/camera/rgb"].float().mean((1, 2, 3)).tolist() == gray
    assert ring["obs/grip"].argmax(1).tolist() == [t % 3 for t in range(7)] * 3
    assert ring["obs/joints"][:7, 1].tolist() == [-t for t in range(7)]
    assert ring["reward"].tolist() == list(range(7)) * 3
    assert ring["is_terminal"].nonzero()[:, 0].tolist() == [6, 20]
    assert ring["is_last"].nonzero()[:, 0].tolist() == [6, 13, 20]
    # the first number by the bounds -2 to 6 of the space, the second by the range 0 to 8 of the data
    acted = ring["action"].unflatten(0, (3, 7))
    np.testing.assert_allclose(acted[0, :-1, 0], [2 * (t + 2) / 8 - 1 for t in range(6)], atol=1e-6)
    np.testing.assert_allclose(acted[1, :-1, 1], [2 * (t + 2) / 8 - 1 for t in range(6)], atol=1e-6)
    assert acted[:, -1].abs().max() == 0
    assert json.loads((tmp_path / "run" / "actions.json").read_text()) == {"low": [-2, 0], "high": [6, 8]}
    assert recorded.test.ring["obs/camera/rgb"][0, 0, 0, 0] == 0


def test_discrete_actions_are_one_hot(tmp_path):
    buffers = [EpisodeBuffer(**{**vars(episode(n)), "actions": 5 + np.arange(6) % 3}) for n in range(4)]
    recorded = read(tmp_path, robot(buffers=buffers, action_space=spaces.Discrete(3, start=5)))
    assert recorded.spec.action.discrete
    assert recorded.train.ring["action"][:6].argmax(1).tolist() == [0, 1, 2, 0, 1, 2]
    assert recorded.train.ring["action"][6].sum() == 0


@pytest.mark.slow
def test_a_written_dataset_is_read_back(tmp_path):
    env = EnvConfig("worlds:Slide-v0", observe=("picture",), image_size=8)
    line = f"collect {env.id} --workers 1 --env.observe picture --env.image_size 8 --privileged place --held-out 0.3"
    assert (
        main.main(f"{line} --transitions 90 --out {tmp_path / 'data'} --format minari --to slide/random-v0".split())
        == 0
    )
    ours = DatasetConfig(str(tmp_path / "data")).build(tmp_path, 0, torch.device("cpu"), torch.Generator())
    ours.load(lambda text: None)
    theirs = read(tmp_path, "slide/random-v0", held_out=0.3, privileged=("place",))
    assert theirs.spec == ours.spec
    for part in ("train", "test"):
        for name, column in getattr(ours, part).ring.items():
            torch.testing.assert_close(getattr(theirs, part).ring[name], column, rtol=0, atol=1e-6)


def test_a_bad_or_taken_name_is_refused_before_anything_is_played(tmp_path, capsys):
    robot()
    for name, sentence in (
        ("robot/push-v0", "Minari has a dataset robot/push-v0 already"),
        ("a?b", "Minari has no such name as 'a?b'"),
    ):
        assert main.main(f"collect worlds:Slide-v0 --out {tmp_path / 'data'} --format minari --to {name}".split()) == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    from reverie.data import minari as ours

    collect(EnvConfig("worlds:Slide-v0", ("picture",), image_size=8), tmp_path / "data", 90)
    buffers = ours._buffers

    def broken_buffers(folder, manifest):
        yield next(buffers(folder, manifest))
        raise ZeroDivisionError

    monkeypatch.setattr(ours, "_buffers", broken_buffers)
    with pytest.raises(ZeroDivisionError):
        ours.write(tmp_path / "data", "slide/random-v0")
    assert "slide/random-v0" not in minari.list_local_datasets()
    ours.check_new("slide/random-v0")


def short_of_an_observation() -> list[EpisodeBuffer]:
    whole = vars(episode(1))
    observations = {**whole["observations"], "joints": np.zeros((6, 2))}
    return [episode(0), EpisodeBuffer(**{**whole, "observations": observations})]


def with_action(value) -> list[EpisodeBuffer]:
    actions = episode(1).actions.copy()
    actions[2, 0] = value
    return [episode(0), EpisodeBuffer(**{**vars(episode(1)), "actions": actions})]


FLOATS = {"observation_space": spaces.Dict(rgb=spaces.Box(0, 1, (8, 8, 3), np.float32))}


@pytest.mark.parametrize(
    ("made", "settings", "sentence"),
    [
        ({"episodes": 1}, {}, "robot/push-v0 has too few trajectories (1) to hold one out"),
        ({}, {"observe": ("rbg",)}, "has no observation 'rbg', only camera/rgb, grip, joints"),
        ({}, {"held_out": 0.7}, "`held_out` of Minari is 0.7: it must be between 0.001 and 0.5."),
        ({}, {"privileged": ("camera/rgb", "grip", "joints")}, "Everything that was recorded is privileged"),
        (
            {"buffers": [], **FLOATS},
            {},
            "observes 'rgb' as an image of float32 (8, 8, 3): convert it to uint8 from 0 to 255",
        ),
        (
            {"buffers": [], "action_space": spaces.MultiDiscrete([2, 2])},
            {},
            "Reverie takes Box and Discrete actions: wrap it.",
        ),
        (
            {"buffers": short_of_an_observation()},
            {},
            "Episode 1 of robot/push-v0 has 6 observations 'joints': 6 actions need 7.",
        ),
        ({"buffers": with_action(np.nan)}, {}, "Episode 1 of robot/push-v0 has no finite action in row 2"),
        ({"buffers": with_action(9.0)}, {}, "has an action of 1.75 in row 2, outside [-1, 1]"),
    ],
)
def test_bad_datasets_are_one_sentence(made, settings, sentence, tmp_path):
    with pytest.raises(UserError) as error:
        read(tmp_path, robot(**made), **settings)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def without(name: str):
    """Delete a part of an HDF5 file."""

    def damage(path):
        with h5py.File(path, "r+") as file:
            del file[name]

    return damage


def with_metadata(**changed):
    def damage(path):
        metadata = path.with_name("metadata.json")
        metadata.write_text(json.dumps(json.loads(metadata.read_text()) | changed))

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        *(without(f"episode_1{part}") for part in ("", "/rewards", "/truncations", "/observations", "/actions")),
        *(with_metadata(total_episodes=number) for number in (2**31, -1, "x", None)),
        *(with_metadata(**{name: 3}) for name in ("description", "observation_space", "action_space", "data_format")),
        lambda path: path.write_bytes(path.read_bytes()[:999]),
        lambda path: path.write_bytes(b""),
        lambda path: path.with_name("metadata.json").write_text("{"),
        lambda path: path.unlink(),
    ],
)
def test_a_damaged_dataset_is_one_sentence(tmp_path, damage):
    damage(tmp_path / "minari" / robot() / "data" / "main_data.hdf5")
    with pytest.raises(UserError, match=r"'robot/push-v0' cannot be read|robot/push-v0 has|No Minari dataset") as error:
        read(tmp_path, "robot/push-v0")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["1", "x", "", "a/b", "robot/push-v0/"])
def test_a_name_that_minari_does_not_take_is_one_sentence(name):
    from reverie.data.minari import check_new

    with pytest.raises(UserError, match="Minari has no such name as"):
        check_new(name)


def test_a_missing_dataset_is_one_sentence(tmp_path):
    robot()
    with pytest.raises(UserError, match=r"No Minari dataset 'robot/psh-v0' is here.+Did you mean robot/push-v0\?"):
        read(tmp_path, "robot/psh-v0")
    with pytest.raises(UserError, match=r"give its id with --data\.id"):
        read(tmp_path, "")


@pytest.mark.slow
def test_a_model_is_trained_from_a_minari_dataset(tmp_path, capsys):
    line = f"train state_space --size tiny --run {tmp_path / 'run'} --data Minari --data.id {robot(episodes=8)}"
    settings = "--data.image_size 16 --data.observe camera/rgb --training.updates 3 --training.length 5"
    assert main.main(f"{line} {settings}".split()) == 0
    assert "held-out sequences" in capsys.readouterr().out


@pytest.mark.slow
def test_privileged_observations_stay_so_through_minari(tmp_path):
    line = "collect worlds:Slide-v0 --workers 1 --env.observe picture --env.image_size 8 --privileged place"
    out = f"--transitions 60 --out {tmp_path / 'data'} --format minari --to slide/hidden-v0"
    assert main.main(f"{line} {out}".split()) == 0
    assert list(read(tmp_path, "slide/hidden-v0").spec.obs) == ["picture"]
    assert "place" in read(tmp_path, "slide/hidden-v0", observe=("picture", "place")).spec.obs
