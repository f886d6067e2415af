"""Folders have one owner, and what cannot be written is refused before anything is made."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reverie.errors import UserError
from reverie.files import InUse, Lease, atomic_write, check_writable, living_owner, make_folder

IMPORTS = "import os, sys, time; from pathlib import Path; from reverie.files import Lease, UserError"


def test_a_second_owner_is_refused_until_the_first_gives_back(tmp_path):
    first = Lease(tmp_path)
    with pytest.raises(UserError, match=f"is in use by process {os.getpid()} on "):
        Lease(tmp_path)
    first.release()
    second = Lease(tmp_path)
    first.release()  # not its own any more
    assert json.loads((tmp_path / "owner.json").read_text())["token"] == second.token
    second.release()
    assert list(tmp_path.iterdir()) == []


def test_the_lease_of_a_killed_process_is_taken_over(tmp_path):
    program = f"{IMPORTS}; Lease(Path(sys.argv[1])); os._exit(9)"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], env=os.environ | {"PYTHONPATH": str(Path.cwd())})
    assert (tmp_path / "owner.json").exists()
    Lease(tmp_path).release()


def test_a_lease_of_another_host_ends_without_a_sign_of_life(tmp_path):
    path = tmp_path / "owner.json"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": "0", "token": "x"}))
    with pytest.raises(UserError, match="is in use by process 1 on elsewhere"):
        Lease(tmp_path)
    os.utime(path, (time.time() - Lease.STALE - 1,) * 2)
    Lease(tmp_path).release()


def test_of_many_processes_one_owns_a_folder(tmp_path):
    program = (
        f"{IMPORTS}\n"
        "try: Lease(Path(sys.argv[1])); print('owner', flush=True); time.sleep(4)\nexcept UserError: print('refused')"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = sorted(process.communicate()[0].strip() for process in processes)
    assert said == ["owner", "refused", "refused", "refused"]


@pytest.mark.parametrize("content", [None, "", "[1]", "3", '{"pid": "x", "host": 1}'])
def test_a_damaged_lease_is_taken_over_when_it_is_stale(content, tmp_path):
    path = tmp_path / "owner.json"
    if content is None:
        path.symlink_to("nowhere")  # a lease that can be neither read nor made
    else:
        path.write_text(content)
        with pytest.raises(UserError, match="is in use by"):
            Lease(tmp_path)
        os.utime(path, (time.time() - Lease.STALE - 1,) * 2)
    Lease(tmp_path).release()


def test_a_file_that_cannot_be_written_is_one_sentence_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "inside", tmp_path / "folder", tmp_path / ("x" * 300)):
        with pytest.raises(UserError, match=r"cannot be written \(.+\), and nothing saved before was lost"):
            atomic_write(path, b"content")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]


def test_what_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    for path, sentence in ((tmp_path, "is a folder"), (tmp_path / "file" / "x.png", "is a file: choose another place")):
        with pytest.raises(UserError, match=sentence):
            check_writable(path)
    check_writable(tmp_path / "new" / "deep" / "x.png")
    assert not (tmp_path / "new").exists()
    with pytest.raises(UserError, match="cannot be made"):
        make_folder(tmp_path / "file" / "run")


def test_who_owns_a_folder_is_read_without_owning_it(tmp_path):
    assert living_owner(tmp_path) is None
    lease = Lease(tmp_path)
    assert living_owner(tmp_path).startswith(f"process {os.getpid()} on ")
    with pytest.raises(InUse) as caught:
        Lease(tmp_path)
    assert caught.value.code == 75
    os.utime(lease.path, (time.time() - Lease.STALE - 1,) * 2)
    assert living_owner(tmp_path) is None
    lease.release()


@pytest.mark.parametrize("others", ["token", None])
def test_an_owner_that_slept_and_was_replaced_writes_no_more(tmp_path, monkeypatch, others):
    monkeypatch.setattr(Lease, "RECHECK", 0.0)
    lease = Lease(tmp_path)
    lease.check()
    if others is None:
        lease.path.unlink()
    else:
        lease.path.write_text(json.dumps({"token": others}))
    with pytest.raises(UserError, match=f"Another process has taken {tmp_path} over"):
        lease.check()
    lease.release()
    assert lease.path.exists() == (others is not None)


def test_a_lease_that_cannot_be_read_now_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(Lease, "RECHECK", 0.0)
    lease = Lease(tmp_path)
    lease.path.write_text("half")
    lease.check()
    lease.release()


def test_a_pipe_or_a_device_is_never_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        for write in (check_writable, lambda path: atomic_write(path, b"x")):
            with pytest.raises(UserError, match=f"{name} is a device or a pipe, not a file: name a file"):
                write(tmp_path / name)
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "link").is_symlink()


def test_ctrl_c_while_a_file_is_written_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(tmp_path / "file", b"content")
    assert not list(tmp_path.iterdir())
