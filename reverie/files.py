"""Atomic writes, and folders that one process owns at a time."""

import errno
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from reverie.errors import UserError


def atomic_write(path: Path, content: bytes | memoryview) -> None:
    """Write `content` to `path` as `atomic_file` does."""
    with atomic_file(path, len(content)) as file:
        file.write(content)


@contextmanager
def atomic_file(path: Path, size: int) -> Iterator[BinaryIO]:
    """Yield a file of `size` bytes to write. `path` holds either the old file or the whole new one, whatever happens.

    UserError if the disk is full, the folder cannot be written, or `path` is a device or a pipe.
    """
    _check_regular(path)  # the rename below would put a file in the place of a device, for every program
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink()
        if not isinstance(error, OSError):  # such as Ctrl-C
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                f"The disk is full, {path.name} was not written and nothing saved before was lost: "
                f"free {size / 2**20:.0f} MiB or more under {path.parent}, then `reverie resume` the run, or "
                "give the same command again."
            ) from error
        raise UserError(
            f"{path} cannot be written ({error.strerror}), and nothing saved before was lost: see to the folder, then "
            "`reverie resume` the run, or give the same command again."
        ) from error


def _check_regular(path: Path) -> None:
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise UserError(f"{path} is a device or a pipe, not a file: name a file.")


def cache_folder() -> Path:
    """Return the user's cache folder of Reverie, which `REVERIE_CACHE` moves."""
    folder = os.environ.get("REVERIE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "reverie"
    return Path(folder).expanduser()


def remember_run(folder: Path) -> None:
    """Mark a run's folder as made here, by a secret in the folder and in the user's cache folder."""
    token = secrets.token_hex(16)
    with suppress(OSError):  # without a cache folder no run is known as one's own
        cache_folder().mkdir(parents=True, exist_ok=True)
        with open(cache_folder() / "runs", "a") as file:
            file.write(f"{token}\n")
    atomic_write(folder / "origin", token.encode())


def is_own_run(folder: Path) -> bool:
    """Return whether the user made this run here: then it may import the modules that it names."""
    try:
        return (folder / "origin").read_text() in (cache_folder() / "runs").read_text().split()
    except (OSError, ValueError):
        return False


def check_writable(path: Path) -> None:
    """Raise UserError if the file `path` cannot be written. Nothing is made."""
    if path.is_dir():
        raise UserError(f"{path} is a folder: name a file in it.")
    _check_regular(path)
    ancestor = next(parent for parent in path.absolute().parents if parent.exists())
    if not ancestor.is_dir():
        raise UserError(f"{path} cannot be written, because {ancestor} is a file: choose another place.")
    if not os.access(ancestor, os.W_OK | os.X_OK):
        raise UserError(f"{path} cannot be written, because {ancestor} is read-only: choose another place.")


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, if they are missing. UserError if that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"The folder {folder} cannot be made ({reason}): choose another place.") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"The folder {folder} is read-only: choose another place.")


class InUse(UserError):
    """Another process owns the folder now, which will pass."""

    code = 75


class Lease:
    """The right of one process to write a folder, also among machines that share it.

    `owner.json` names the owner by host, process and a random token. Its time of modification is a sign of life,
    renewed every `BEAT` seconds. A lease is taken over if its process has ended on this host, or after `STALE` seconds
    without a sign of life. An owner that slept so long finds a foreign token by `check`, and writes no more.
    """

    BEAT, STALE, RECHECK = 15.0, 120.0, 1.0

    def __init__(self, folder: Path) -> None:
        """Raise InUse if another process owns the folder."""
        self.path, self.token, self.checked = folder / "owner.json", secrets.token_hex(8), time.monotonic()
        make_folder(folder)
        identity = {"host": socket.gethostname(), "pid": os.getpid(), "started": _start_time(os.getpid())}
        content = json.dumps(identity | {"token": self.token}).encode()
        while True:
            try:
                file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            except FileExistsError:
                self._remove_stale(folder)
                continue
            with os.fdopen(file, "wb") as opened:
                opened.write(content)
            break
        self.ended = threading.Event()
        self.heart = threading.Thread(target=self._beat, daemon=True)
        self.heart.start()

    def _remove_stale(self, folder: Path) -> None:
        """Remove the lease of an owner that is gone. InUse if it is alive."""
        if owner := living_owner(folder):
            raise InUse(f"{folder} is in use by {owner}: wait until it ends, or choose another folder.")
        # Of several processes that see a stale lease, one renames it. The others find none, and compete for a new one.
        grave = self.path.with_name(f".owner.{self.token}.partial")
        with suppress(FileNotFoundError):
            os.rename(self.path, grave)
            grave.unlink()

    def _beat(self) -> None:
        while not self.ended.wait(self.BEAT):
            with suppress(OSError):
                os.utime(self.path)

    def check(self) -> None:
        """Raise UserError if another process has taken the folder over. It is asked once a second at most."""
        if time.monotonic() - self.checked < self.RECHECK:
            return
        self.checked, token = time.monotonic(), None
        try:
            token = json.loads(self.path.read_text())["token"]
        except FileNotFoundError:
            pass  # the other one has ended already
        except (OSError, ValueError):
            return  # what cannot be read now proves nothing
        if token != self.token:
            raise UserError(
                f"Another process has taken {self.path.parent} over, because this one gave no sign of life for "
                f"{self.STALE:.0f} s: this one writes no more, and the run is as the other one left it."
            )

    def release(self) -> None:
        """Give the folder back."""
        self.ended.set()
        with suppress(OSError, ValueError):
            if json.loads(self.path.read_text())["token"] == self.token:
                self.path.unlink()


def living_owner(folder: Path) -> str | None:
    """Return the words for the process that owns a folder; None where there is none, or none that lives."""
    path = folder / "owner.json"
    try:
        owner, age = json.loads(path.read_text()), time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return None
    except ValueError:  # it is being written, or its write was interrupted
        with suppress(FileNotFoundError):
            age = time.time() - path.stat().st_mtime
            return None if age > Lease.STALE else "a process that begins"
        return None
    owner = owner if isinstance(owner, dict) else {}
    pid, host = owner.get("pid", 0), owner.get("host", "unknown")
    gone = host == socket.gethostname() and _start_time(pid) != owner.get("started")
    if gone or age > Lease.STALE:
        return None
    return f"process {pid} on {host} (last sign of life {max(age, 0):.0f} s ago)"


def _start_time(pid: int) -> str | None:
    """Return when a process of this host started, in a form that only equality is asked of; None if there is none."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    if not Path("/proc/self").exists() and pid > 0:  # not Linux: alive or not is all that can be said
        with suppress(OSError):
            os.kill(pid, 0)
            return "alive"
    return None


def remove_partial(folder: Path, deep: bool = True) -> None:
    """Delete temporary files of interrupted writes, also in subfolders if `deep`. Call it only while no other process
    writes there."""
    for path in folder.rglob(".*.partial") if deep else folder.glob(".*.partial"):
        path.unlink()
