import errno
import os

import pytest
import torch

from reverie.errors import UserError
from reverie.files import atomic_write
from reverie.runs import checkpoint
from reverie.runs.versions import writer


def state(value: float) -> dict:
    return {"weights": {"w": torch.full((100, 10), value)}, "count": 3, "names": ["a", "b"], "none": None, "x": value}


def test_a_state_is_read_back(tmp_path):
    checkpoint.write(tmp_path, 7, state(1.5))
    restored = checkpoint.newest(tmp_path, rename=True)
    torch.testing.assert_close(restored.pop("weights"), state(1.5)["weights"], rtol=0, atol=0)
    written = {"format": checkpoint.FORMAT, "writer": writer(), "file": str(tmp_path / "checkpoint-000000000007.pt")}
    assert restored == {"count": 3, "names": ["a", "b"], "none": None, "x": 1.5} | written


def test_the_two_with_the_largest_numbers_remain(tmp_path):
    for decision in (5, 50, 500, 9):  # by number, not by age
        checkpoint.write(tmp_path, decision, state(decision))
    assert [path.name for path in checkpoint.paths(tmp_path)] == [
        "checkpoint-000000000050.pt",
        "checkpoint-000000000500.pt",
    ]
    assert checkpoint.newest(tmp_path, rename=True)["x"] == 500


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-200],
        lambda content: b"",
        lambda content: b"\0" * len(content),
        lambda content: content[:2000] + bytes([content[2000] ^ 1]) + content[2001:],  # one bit of the weights
    ],
    ids=["cut", "empty", "zeros", "one bit"],
)
def test_a_damaged_one_is_set_aside_and_the_one_before_used(tmp_path, damage):
    checkpoint.write(tmp_path, 1, state(1.0))
    checkpoint.write(tmp_path, 2, state(2.0))
    newest = checkpoint.paths(tmp_path)[-1]
    newest.write_bytes(damage(newest.read_bytes()))
    with pytest.warns(UserWarning, match=r"checkpoint-000000000002\.pt is damaged \(.+\); using the one before it"):
        restored = checkpoint.newest(tmp_path, rename=True)
    assert restored["x"] == 1.0
    assert newest.with_suffix(".damaged").exists()


def test_no_readable_checkpoint_is_a_user_error(tmp_path):
    checkpoint.write(tmp_path / "checkpoints", 1, state(1.0))
    checkpoint.paths(tmp_path / "checkpoints")[0].write_bytes(b"")
    with (
        pytest.warns(UserWarning, match="is damaged"),
        pytest.raises(UserError, match="holds no checkpoint that can be read"),
    ):
        checkpoint.newest(tmp_path / "checkpoints", rename=True)


def test_only_tensors_and_plain_values_are_unpickled(tmp_path):
    torch.save({"x": pytest.Item}, tmp_path / "checkpoint-000000000001.pt")
    with pytest.raises(Exception, match=r"(?i)weights_only|unsupported"):
        checkpoint.read(tmp_path / "checkpoint-000000000001.pt")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("where", ["write", "fsync"])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, code, where):
    path = tmp_path / "file"
    atomic_write(path, b"old")

    def full(*_):
        raise OSError(code, os.strerror(code))

    if where == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:  # a device on which no byte fits
        monkeypatch.setattr("reverie.files.open", lambda name, mode: Full(name, full), raising=False)
    with pytest.raises(UserError, match="The disk is full, file was not written"):
        atomic_write(path, b"new" * 1000)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


class Full:
    """A file that accepts no byte."""

    def __init__(self, path, write) -> None:
        path.touch()
        self.write = write

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


def test_other_errors_are_not_called_a_full_disk(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").touch()
    with pytest.raises(UserError, match="folder cannot be written"):
        atomic_write(tmp_path / "folder", b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("error", [PermissionError("no"), MemoryError(), RuntimeError("not enough memory: 3 GB")])
def test_an_error_that_may_pass_changes_nothing(tmp_path, monkeypatch, error):
    def fail(*_, **__):
        raise error

    checkpoint.write(tmp_path, 1, state(1.0))
    checkpoint.write(tmp_path, 2, state(2.0))
    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(UserError, match="cannot be read now"):
        checkpoint.newest(tmp_path, rename=True)
    monkeypatch.undo()
    assert checkpoint.newest(tmp_path)["x"] == 2.0


def test_a_reader_renames_nothing(tmp_path):
    checkpoint.write(tmp_path, 1, state(1.0))
    checkpoint.write(tmp_path, 2, state(2.0))
    newest = checkpoint.paths(tmp_path)[-1]
    newest.write_bytes(b"")
    with pytest.warns(UserWarning, match="is damaged"):
        assert checkpoint.newest(tmp_path)["x"] == 1.0
    assert newest.exists()
