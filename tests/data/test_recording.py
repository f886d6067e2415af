"""Datasets of random interaction: the same bits however they were made, and read as they were written."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from reverie.cli import command_line as main
from reverie.data import recording
from reverie.data.dataset import DatasetConfig
from reverie.data.recording import collect, read_manifest
from reverie.data.validation import held_out
from reverie.envs.base import EnvConfig
from reverie.errors import UserError

SLIDE = EnvConfig("worlds:Slide-v0", observe=("picture",), image_size=8)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(recording, "CHUNK", 40)


def made(folder: Path, transitions: int = 200, **settings) -> dict[str, bytes]:
    """Every file of a dataset that is collected there."""
    collect(SLIDE, folder, transitions, **{"seed": 3, "held_out": 0.3, "privileged": ("place",), **settings})
    return files(folder)


def files(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "origin"]  # a secret
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def read(folder: Path, **settings):
    config = DatasetConfig(str(folder), **settings)
    recorded = config.build(folder / "run", 0, torch.device("cpu"), torch.Generator())
    recorded.load(lambda text: None)
    return recorded


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def killed_after(trajectories: int):
    count = 0

    def on_progress(progress):
        nonlocal count
        count += 1
        if count == trajectories:
            raise Killed

    return on_progress


@pytest.mark.parametrize("trajectories", [1, 2, 5, 9])
def test_a_killed_collection_resumes_bit_for_bit(trajectories, tmp_path):
    peace = made(tmp_path / "peace")
    with pytest.raises(Killed):
        made(tmp_path / "killed", on_progress=killed_after(trajectories))
    assert made(tmp_path / "killed") == peace
    assert made(tmp_path / "killed", on_progress=lambda progress: pytest.fail("played again")) == peace


def test_chunks_that_the_manifest_does_not_count_are_deleted(tmp_path):
    peace = made(tmp_path / "peace")
    with pytest.raises(Killed):
        made(tmp_path / "killed", on_progress=killed_after(9))
    counted = read_manifest(tmp_path / "killed").train.columns
    stray = tmp_path / "killed" / "train" / f"{counted:012d}-{counted + 9:012d}.safetensors"
    stray.write_bytes(b"half of a life")
    (stray.parent / ".x.partial").write_bytes(b"less than that")
    assert made(tmp_path / "killed") == peace


def test_what_was_half_written_before_the_manifest_is_deleted(tmp_path):
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / ".dataset.json.1.partial").write_bytes(b"{")
    assert made(tmp_path / "killed") == made(tmp_path / "peace")


@pytest.mark.slow
@pytest.mark.parametrize("world", ["Slide", "Pushed"])
def test_the_number_of_processes_does_not_matter(world, tmp_path):
    env = replace(SLIDE, id=f"worlds:{world}-v0")
    for workers in (1, 2, 3):
        collect(env, tmp_path / str(workers), 80, privileged=("place",), workers=workers)
    assert files(tmp_path / "1") == files(tmp_path / "2") == files(tmp_path / "3")


@pytest.mark.slow
def test_a_trajectory_whose_process_died_is_played_again(tmp_path, monkeypatch):
    collect(SLIDE, tmp_path / "peace", 60)
    monkeypatch.setenv("DIES_ONCE", str(tmp_path / "died"))
    with pytest.warns(RuntimeWarning, match="died"):
        collect(replace(SLIDE, id="worlds:DiesOnce-v0"), tmp_path / "killed", 60, workers=2)
    peace, killed = read(tmp_path / "peace").train.ring, read(tmp_path / "killed").train.ring
    assert all(torch.equal(column, killed[name]) for name, column in peace.items())


def test_a_dataset_can_be_made_longer(tmp_path):
    made(tmp_path / "grown", transitions=100)
    made(tmp_path / "grown", transitions=200)
    made(tmp_path / "whole", transitions=200)
    grown, whole = read(tmp_path / "grown"), read(tmp_path / "whole")
    for part in ("train", "test"):
        for name, column in getattr(grown, part).ring.items():
            assert torch.equal(column, getattr(whole, part).ring[name])


def test_a_dataset_is_read_as_it_was_played(tmp_path):
    made(tmp_path / "data")
    recorded, manifest = read(tmp_path / "data"), read_manifest(tmp_path / "data")
    assert list(recorded.spec.obs) == ["picture"]
    total = 0
    for part, counted in ((recorded.train, manifest.train), (recorded.test, manifest.test)):
        ring = part.ring
        assert int(ring["is_first"].sum()) == int(ring["is_last"].sum()) == counted.trajectories
        assert int((~ring["is_last"]).sum()) == counted.transitions
        assert len(part) == counted.columns == counted.transitions + counted.trajectories
        total += counted.transitions
        moved = ring["obs/place"][1:] - ring["obs/place"][:-1] - ring["action"][:-1]
        assert moved[~ring["is_last"][:-1]].abs().max() < 0.6  # six standard deviations of its noise
        torch.testing.assert_close(
            ring["reward"][1:],
            1 - (ring["obs/place"][1:, 0] - 8).abs() / 8 * ~ring["is_first"][1:] - ring["is_first"][1:].float(),
        )
    assert 200 <= total < 220
    assert manifest.test.trajectories == sum(
        held_out(n, 0.3) for n in range(manifest.test.trajectories + manifest.train.trajectories)
    )
    starts = [part.ring["obs/place"][part.ring["is_first"]] for part in (recorded.train, recorded.test)]
    assert len(torch.cat(starts).unique()) == len(torch.cat(starts))


def test_actions_that_the_environment_samples_are_recorded(tmp_path):
    collect(replace(SLIDE, id="worlds:Pushed-v0"), tmp_path, 60, privileged=("place",))
    ring = read(tmp_path).train.ring
    chosen = (ring["action"] - ring["obs/place"] / 100)[~ring["is_last"]]
    assert 0.1 <= chosen.min() < chosen.max() <= 0.2 + 1e-6


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.07])
def test_held_out_trajectories_are_evenly_spaced(share):
    numbers = [number for number in range(1000) if held_out(number, share)]
    assert numbers[0] == 0
    assert len(numbers) == round(1000 * share)
    assert set(np.diff(numbers)) <= {int(1 / share), int(1 / share) + 1}


@pytest.mark.parametrize("transitions", [1, 19, 20, 21, 57])
def test_data_train_takes_the_first_transitions(transitions, tmp_path):
    made(tmp_path)
    whole, some = read(tmp_path).train.ring, read(tmp_path, train=transitions).train.ring
    assert int((~some["is_last"][:-1]).sum()) == transitions
    for name, column in some.items():
        assert torch.equal(column, whole[name][: len(column)])


def test_privileged_observations_can_be_changed(tmp_path):
    made(tmp_path)
    assert list(read(tmp_path, privileged=()).spec.obs) == ["picture", "place"]
    assert DatasetConfig(str(tmp_path), privileged=("picture",)).environment().observe == ("place",)
    assert DatasetConfig(str(tmp_path)).environment() == SLIDE
    with pytest.raises(UserError, match="No 'plaice' was recorded that could be privileged, only picture, place"):
        read(tmp_path, privileged=("plaice",))


def run(line: str, capsys) -> tuple[int, str, str]:
    code = main.main(line.split())
    printed = capsys.readouterr()
    return code, printed.out, printed.err


COLLECT = "collect worlds:Slide-v0 --workers 1 --env.observe picture --env.image_size 16 --privileged place"


@pytest.mark.slow
def test_commands_collect_a_dataset_and_train_from_it(tmp_path, capsys):
    code, out, _ = run(f"{COLLECT} --transitions 250 --out {tmp_path / 'data'} --held-out 0.2", capsys)
    assert code == 0
    assert "100 %" in out
    manifest = read_manifest(tmp_path / "data")
    assert f"test: {manifest.test.transitions} transitions in {manifest.test.trajectories} trajectories" in out
    before = files(tmp_path / "data")
    line = f"train state_space --size tiny --run {tmp_path / 'run'} --data Dataset --data.folder {tmp_path / 'data'}"
    code, out, _ = run(f"{line} --training.updates 4 --training.length 8", capsys)
    assert code == 0
    assert "held-out sequences" in out
    assert files(tmp_path / "data") == before
    assert "place" not in json.dumps(json.loads((tmp_path / "run" / "model.json").read_text()))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "--transitions 3",
            "A dataset of 3 transitions of worlds:Slide-v0 has too few trajectories (1) to hold one out",
        ),
        ("--held-out 0.6", "`held_out` is 0.6: it must be between 0.001 and 0.5."),
        ("--env.count 3", "say how many play here with --workers"),
        ("--privileged picture", "'picture' cannot be both observed and privileged"),
        ("--privileged plaice", "has no observation 'plaice'"),
        ("--model.x 3", "has no option `--model.x`"),
        ("--env.time_limt 3", "Did you mean --env.time_limit?"),
        ("--transitions 0", "must be a whole number, at least 1"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(line, sentence, tmp_path, capsys):
    code, _, errors = run(f"{COLLECT} {line} --out {tmp_path / 'data'}", capsys)
    assert code == 2
    assert sentence in errors
    assert len(errors.splitlines()) == 1
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--seed 1", "was begun with seed 0, not 1"),
        ("--env.time_limit 9", "was begun with env.time_limit none, not 9"),
        ("--privileged pixels", "was begun with privileged place, not pixels"),
        ("--held-out 0.2", "was begun with held_out 0.1, not 0.2"),
        ("--transitions 20", "was begun for 60 transitions"),
    ],
)
def test_collect_refuses_different_settings(line, sentence, tmp_path, capsys):
    assert run(f"{COLLECT} --transitions 60 --out {tmp_path}", capsys)[0] == 0
    before = files(tmp_path)
    code, _, errors = run(f"{COLLECT} --transitions 60 {line} --out {tmp_path}", capsys)
    assert (code, len(errors.splitlines())) == (2, 1)
    assert sentence in errors
    assert files(tmp_path) == before


def test_a_folder_of_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("three years")
    code, _, errors = run(f"{COLLECT} --out {tmp_path}", capsys)
    assert code == 2
    assert "is not empty and holds no dataset: take another --out" in errors
    assert list(files(tmp_path)) == ["thesis.txt"]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    code, _, errors = run(f"{COLLECT} --transitions 60 --out {tmp_path / 'file' / 'data'}", capsys)
    assert code == 2
    assert "cannot be made (Not a directory): choose another place." in errors


def test_a_reward_of_nan_ends_the_collection(tmp_path):
    with pytest.raises(UserError, match="worlds:Poisoned-v0 gives the reward nan, which is not one finite number"):
        collect(replace(SLIDE, id="worlds:Poisoned-v0"), tmp_path, 900)


@pytest.mark.slow
def test_a_trajectory_that_always_kills_its_process_ends_the_collection(tmp_path):
    with (
        pytest.warns(RuntimeWarning, match="died"),
        pytest.raises(UserError, match=r"played trajectory \d died 3 times: take --workers 1 to see why"),
    ):
        collect(replace(SLIDE, id="worlds:Deadly-v0"), tmp_path, 90, workers=2)


def test_a_bad_dataset_is_one_sentence(tmp_path, capsys):
    train = f"train state_space --size tiny --run {tmp_path / 'run'} --data Dataset"
    assert "give its folder with --data.folder" in run(train, capsys)[2]
    assert "is no dataset, for it has no dataset.json" in run(f"{train} --data.folder {tmp_path}", capsys)[2]
    made(tmp_path / "data")
    line = f"{train} --data.folder {tmp_path / 'data'}"
    assert "transitions to learn from: take a smaller --data.train" in run(f"{line} --data.train 1000", capsys)[2]
    manifest = json.loads((tmp_path / "data" / "dataset.json").read_text())
    for key, value, sentence in (
        ("transitions", 9999, "was not finished: the same `reverie collect` command goes on with it"),
        ("format", 99, "was written by a newer version of Reverie: upgrade this one."),
        ("seed", "none", "does not fit this version of Reverie: The config's `seed` should be an int"),
    ):
        (tmp_path / "data" / "dataset.json").write_text(json.dumps(manifest | {key: value}))
        assert sentence in run(line, capsys)[2]
    assert not (tmp_path / "run").exists()


def test_a_dataset_of_the_first_version_is_read(tmp_path):
    made(tmp_path)
    path = tmp_path / "dataset.json"
    tree = json.loads(path.read_text())
    tree["env"]["settings"] = tree["env"].pop("kwargs")
    del tree["plugins"]
    path.write_text(json.dumps(tree | {"format": 1}))
    assert read_manifest(tmp_path).env == SLIDE
    assert len(read(tmp_path).train) == read_manifest(tmp_path).train.columns


def test_a_damaged_chunk_is_one_sentence(tmp_path):
    made(tmp_path)
    chunk = sorted((tmp_path / "train").iterdir())[1]
    chunk.write_bytes(chunk.read_bytes()[:-50])
    with pytest.raises(UserError, match="cannot be read"):
        read(tmp_path)
    chunk.unlink()
    with pytest.raises(UserError, match="lacks decisions"):
        read(tmp_path)
