"""A JSON file that is missing, replaced or damaged is one sentence that names it."""

import json
import os

import pytest

from reverie.config.files import read_file, write_file
from reverie.data.replay import ReplayConfig
from reverie.errors import UserError


@pytest.fixture
def path(tmp_path):
    write_file(tmp_path / "replay.json", ReplayConfig(7))
    return tmp_path / "replay.json"


@pytest.mark.parametrize("target", [None, "folder", "nowhere", "replay.json"])
def test_what_is_no_file_cannot_be_read(path, target):
    path.unlink()
    if target == "folder":
        path.mkdir()
    elif target:
        os.symlink(target, path)
    with pytest.raises(UserError, match=r"replay.json cannot be read \(.+\): restore it from a copy"):
        read_file(ReplayConfig, path)


@pytest.mark.parametrize(
    "head", [{"format": "2"}, {"format": None}, {"plugins": 3}, {"plugins": [1]}, {"plugins": "x"}]
)
def test_a_wrong_head_is_damage(path, head):
    path.write_text(json.dumps(json.loads(path.read_text()) | head))
    with pytest.raises(UserError, match="is damaged"):
        read_file(ReplayConfig, path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{", b"[" * 100_000])
def test_what_is_no_json_is_damage(path, content):
    path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        read_file(ReplayConfig, path)


@pytest.mark.parametrize("content", [3, [], None, "x", {}, {"type": []}, {"type": "ReplayConfig", "capacity": True}])
def test_json_of_something_else_is_refused(path, content):
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"does not fit this version|is damaged"):
        read_file(ReplayConfig, path)
