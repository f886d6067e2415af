"""Writes that are atomic, even if the process is killed or the disk is full."""

import errno
import os
from pathlib import Path

from reverie.errors import UserError


def atomic_write(path: Path, content: bytes) -> None:
    """Write `content` to `path`, which holds either the old file or the whole new one, whatever happens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        partial.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                f"The disk is full, {path.name} was not written and nothing saved before was lost: "
                f"free {len(content) / 2**20:.0f} MiB or more under {path.parent}, then `reverie resume` the run, or "
                "give the same command again."
            ) from error
        raise


def remove_partial(folder: Path) -> None:
    """Delete temporary files of interrupted writes. Call it only while no other process writes to `folder`."""
    for path in folder.rglob(".*.partial"):
        path.unlink()
