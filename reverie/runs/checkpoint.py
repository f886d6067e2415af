"""Checkpoint files: written atomically, the last two kept, read back with `weights_only=True`; and weights alone."""

import io
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from reverie.errors import UserError
from reverie.files import atomic_write

NAME = re.compile(r"decision-(\d{12})\.pt")
KEPT = 2


def paths(folder: Path) -> list[Path]:
    """Checkpoints in `folder`, oldest first."""
    return sorted(path for path in folder.glob("*.pt") if NAME.fullmatch(path.name))


def write(folder: Path, decision: int, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, strings, lists, dicts) and delete all but the last two checkpoints."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    atomic_write(folder / f"decision-{decision:012d}.pt", buffer.getvalue())
    for path in paths(folder)[:-KEPT]:
        path.unlink()


def read(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The state in one file; any exception means that it is damaged."""
    with zipfile.ZipFile(path) as archive:  # torch.load does not look at the checksums
        if damaged := archive.testzip():
            raise ValueError(f"wrong checksum of {damaged}")
    return torch.load(path, map_location=device, weights_only=True)


def newest(folder: Path) -> dict[str, Any]:
    """The newest state that can be read. A damaged file is set aside with a warning, and the one before it used."""
    for path in reversed(paths(folder)):
        try:
            return read(path)
        except Exception as error:
            aside = path.with_suffix(".damaged")
            path.rename(aside)
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            warnings.warn(f"Checkpoint {path.name} is damaged ({reason}); using the one before it.", stacklevel=2)
    raise UserError(
        f"{folder.parent} holds no checkpoint that can be read: start it anew with `reverie train` in another folder."
    )
