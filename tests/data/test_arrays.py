"""A robot's log as an .npz of plain arrays."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from reverie.cli import command_line as main
from reverie.data.arrays import ArraysConfig
from reverie.errors import UserError
from reverie.spaces import Space


def log(episodes: int = 3, length: int = 6, **changed) -> dict[str, np.ndarray]:
    """Row n shows the gray n, was acted on by [n, 2 n], had the state [n] and the reward n."""
    row = np.arange(episodes * length)
    images = np.broadcast_to(row[:, None, None, None], (len(row), 12, 10, 3)).astype(np.uint8)
    arrays = {
        "images": images,
        "actions": np.stack([row, 2 * row], 1),
        "episode": np.repeat(np.arange(episodes) + 7, length),
        "state": row[:, None].astype(float),
        "rewards": row,
    }
    return {name: value for name, value in (arrays | changed).items() if value is not None}


def read(folder: Path, arrays: dict[str, np.ndarray], **settings):
    np.savez(folder / "log.npz", **arrays)
    config = ArraysConfig(str(folder / "log.npz"), **{"image_size": 8, "held_out": 0.3, **settings})
    recorded = config.build(folder / "run", 0, torch.device("cpu"), torch.Generator())
    recorded.load(lambda text: None)
    return recorded


def test_rows_become_columns(tmp_path):
    recorded = read(tmp_path, log(), privileged=("state",))
    ring = recorded.train.ring
    assert (list(recorded.spec.obs), recorded.spec.action.size) == (["pixels"], 2)
    assert recorded.test.ring["obs/state"][:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert ring["obs/state"][:, 0].tolist() == [6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]
    assert torch.equal(ring["obs/pixels"].float().mean((1, 2, 3)), ring["obs/state"][:, 0])
    assert ring["reward"].tolist() == ring["obs/state"][:, 0].tolist()
    assert ring["is_first"].nonzero()[:, 0].tolist() == [0, 6]
    assert ring["is_last"].nonzero()[:, 0].tolist() == [5, 11]
    assert not ring["is_terminal"].any()
    # the actions used are those of rows 0 to 16, but for the last of each episode
    expected = [(2 * n / 16 - 1) if n not in (11, 17) else 0 for n in range(6, 18)]
    np.testing.assert_allclose(ring["action"], np.stack([expected, expected], 1), atol=1e-6)
    assert json.loads((tmp_path / "run" / "actions.json").read_text()) == {"low": [0, 0], "high": [16, 32]}


def test_given_bounds_are_used(tmp_path):
    ring = read(tmp_path, log(low=np.array([0, -100]), high=np.array([100, 100]))).train.ring
    np.testing.assert_allclose(ring["action"][0], [2 * 6 / 100 - 1, 12 / 100], atol=1e-6)


def test_an_action_that_never_varies_is_zero(tmp_path):
    actions = np.stack([np.arange(18), np.full(18, 5)], 1)
    assert read(tmp_path, log(actions=actions)).train.ring["action"][:, 1].abs().max() == 0


def test_without_the_optional_arrays(tmp_path):
    recorded = read(tmp_path, log(state=None, rewards=None))
    assert list(recorded.spec.obs) == ["pixels"]
    assert recorded.train.ring["reward"].abs().max() == 0


def spoilt(value, row: int = 8, dtype=float):
    numbers = np.arange(18, dtype=dtype)[:, None].copy()
    numbers[row] = value
    return numbers


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"images": None, "state": None}, "has no observation: add `images`, or numbers such as `state`."),
        ({"actions": None, "action": np.zeros((18, 2))}, "has no array 'actions'"),
        ({"speed": np.zeros(18)}, "an unknown array 'speed' of float64 (18,): observed numbers have two axes"),
        (
            {"reward": np.zeros(18)},
            "observed numbers have two axes, and images four. Did you mean rewards?",
        ),
        ({"images": np.full((18, 8, 8, 3), 2.0)}, "`images` of log are floats outside 0 to 1"),
        ({"images": np.zeros((18, 8, 8, 3), int)}, "images of int64 (18, 8, 8, 3): they must be uint8 or floats"),
        ({"images": np.zeros((18, 8, 8), np.uint8)}, "images of uint8 (18, 8, 8): they must be uint8 or floats (N,"),
        ({"front": np.zeros((17, 8, 8, 3))}, "front of float64 (17, 8, 8, 3): they must be uint8 or floats (N,"),
        ({"privileged": np.array(["stat"])}, "has no observation 'stat', only pixels, state"),
        ({"privileged": np.zeros(2)}, "privileged of float64 (2,): they must be names (P)."),
        ({"actions": np.zeros(18)}, "actions of float64 (18,): they must be numbers (N, A)."),
        (
            {"actions": np.zeros((17, 2))},
            "images of uint8 (18, 12, 10, 3): they must be uint8 or floats (N, height, width, channels), with N = 17.",
        ),
        ({"episode": np.zeros((18, 1))}, "episode of float64 (18, 1): they must be numbers (N), with N = 18."),
        ({"rewards": np.full(18, "good")}, "rewards of <U4 (18,): they must be numbers"),
        ({"state": np.zeros(18)}, "state of float64 (18,): they must be numbers (N, n), with N = 18."),
        ({"actions": spoilt(np.nan)}, "Episode 1 of log has no finite action in row 2"),
        ({"actions": spoilt(np.inf)}, "Episode 1 of log has no finite action in row 2"),
        ({"state": spoilt(np.nan)}, "Episode 1 of log has no finite observation 'state' in row 2"),
        ({"rewards": spoilt(np.inf)[:, 0]}, "Episode 1 of log has no finite reward in row 2"),
        (
            {"low": np.zeros(2), "high": np.full(2, 8)},
            "Episode 1 of log has an action of 2 in row 0, outside [-1, 1]",
        ),
        ({"low": np.zeros(3)}, "low of float64 (3,): they must be numbers (A), with A = 2."),
        ({"low": np.ones(2), "high": np.zeros(2)}, "has a bound `low` above `high`"),
        ({"episode": np.arange(18) // 6 % 2}, "goes back to episode 0 in row 12: sort its rows by episode."),
        ({"episode": np.arange(18) // 17}, "has one row of episode 1"),
        ({"episode": np.zeros(18)}, "has too few trajectories (1) to hold one out"),
        ({name: value[:0] for name, value in log().items()}, "has too few trajectories (0) to hold one out"),
    ],
)
def test_bad_arrays_are_one_sentence(changed, sentence, tmp_path):
    with pytest.raises(UserError) as error:
        read(tmp_path, log(**changed))
    errors = str(error.value).replace(str(tmp_path / "log.npz"), "log")
    assert sentence in errors
    assert "\n" not in errors
    assert not (tmp_path / "run").exists()


def test_several_files_are_read_in_their_order(tmp_path):
    """Without `episode`, a file is one episode."""
    rows = log()
    for number in range(3):
        part = {name: value[6 * number : 6 * number + 6] for name, value in rows.items() if name != "episode"}
        np.savez(tmp_path / f"log_{number}.npz", **part)
    for named in (tmp_path, tmp_path / "log_*.npz"):
        config = ArraysConfig(str(named), image_size=8, held_out=0.3)
        recorded = config.build(tmp_path / "run", 0, torch.device("cpu"), torch.Generator())
        assert recorded.test.ring["obs/state"][:, 0].tolist() == [0, 1, 2, 3, 4, 5]
        assert recorded.train.ring["obs/state"][:, 0].tolist() == list(range(6, 18))
        assert recorded.train.ring["is_first"].nonzero()[:, 0].tolist() == [0, 6]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"rewards": None}, "lacks rewards, unlike the first file"),
        ({"actions": np.zeros((18, 3))}, "has other actions than the first file"),
        ({"images": np.zeros((18, 8, 8, 1), np.uint8)}, "has other images than the first file"),
    ],
)
def test_files_that_differ_are_one_sentence(changed, sentence, tmp_path):
    np.savez(tmp_path / "a.npz", **log())
    np.savez(tmp_path / "b.npz", **log(**changed))
    with pytest.raises(UserError, match=f"b.npz {sentence}"):
        ArraysConfig(str(tmp_path)).build(tmp_path, 0, torch.device("cpu"), torch.Generator())


def test_no_file_for_a_pattern_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"There is no file .+log_\*\.npz"):
        ArraysConfig(str(tmp_path / "log_*.npz")).build(tmp_path, 0, torch.device("cpu"), torch.Generator())


def test_cameras_and_numbers_have_any_names(tmp_path):
    images = log()["images"]
    recorded = read(tmp_path, log(wrist=255 - images, grip=np.ones((18, 1))), observe=("wrist", "grip"))
    assert recorded.spec.obs == {"wrist": Space((8, 8, 3), "uint8"), "grip": Space((1,), "float32")}
    assert recorded.train.ring["obs/wrist"].float().mean((1, 2, 3)).tolist() == [255 - n for n in range(6, 18)]


def test_float_images_are_from_0_to_1(tmp_path):
    whole, floats = (read(tmp_path, log(images=images)).train.ring["obs/pixels"] for images in _whole_and_floats())
    assert torch.equal(whole, floats)


def _whole_and_floats():
    whole = np.random.default_rng(0).integers(0, 256, (18, 12, 10, 3), np.uint8)
    return whole, (whole / 255).astype(np.float32)


def test_names_in_the_file_are_privileged_unless_observed(tmp_path):
    arrays = log(privileged=np.array(["state"]))
    assert list(read(tmp_path, arrays).spec.obs) == ["pixels"]
    assert list(read(tmp_path, arrays, observe=("state", "pixels")).spec.obs) == ["state", "pixels"]


def test_a_terminal_row_ends_its_episode(tmp_path):
    ring = read(tmp_path, log(terminal=np.arange(18) == 11)).train.ring
    assert ring["is_terminal"].nonzero()[:, 0].tolist() == [5]


@pytest.mark.slow
def test_a_model_is_trained_from_a_log(tmp_path, capsys):
    np.savez(tmp_path / "log.npz", **log(episodes=5, length=12))
    line = f"train state_space --size tiny --run {tmp_path / 'run'} --data Arrays --data.file {tmp_path / 'log.npz'}"
    settings = "--data.image_size 16 --training.updates 3 --training.length 6 --data.privileged state"
    assert main.main(f"{line} {settings}".split()) == 0
    assert "held-out sequences" in capsys.readouterr().out
    assert (tmp_path / "run" / "actions.json").exists()


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path, capsys):
    (tmp_path / "notes.npz").write_text("no arrays at all")
    (tmp_path / "empty.npz").touch()
    for file, sentence in (
        ("empty.npz", "is no .npz of plain arrays"),
        ("notes.npz", "is no .npz of plain arrays"),
        ("missing.npz", "is no .npz of plain arrays"),
    ):
        line = f"train state_space --size tiny --run {tmp_path / 'run'} --data Arrays --data.file {tmp_path / file}"
        assert main.main(line.split()) == 2
        errors = capsys.readouterr().err
        assert sentence in errors
        assert len(errors.splitlines()) == 1
    assert main.main(f"train state_space --size tiny --run {tmp_path / 'run'} --data Arrays".split()) == 2
    assert "give their .npz file with --data.file" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("channels", [1, 3, 12])
def test_images_with_channels_first_are_turned(tmp_path, channels):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (60, 24, 32, channels), np.uint8)
    common = {"actions": rng.uniform(-1, 1, (60, 2)), "episode": np.repeat(np.arange(6), 10)}
    np.savez(tmp_path / "last.npz", images=images, **common)
    np.savez(tmp_path / "first.npz", images=np.moveaxis(images, 3, 1), **common)
    read = [
        ArraysConfig(str(tmp_path / f"{name}.npz"), image_size=16).build(
            tmp_path, 0, torch.device("cpu"), torch.Generator()
        )
        for name in ("last", "first")
    ]
    assert read[1].spec.obs["pixels"].shape == (16, 16, channels)
    assert torch.equal(read[0].train.ring["obs/pixels"], read[1].train.ring["obs/pixels"])
