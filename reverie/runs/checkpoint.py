"""Checkpoint files: written atomically, only the last two remain, read back with `weights_only=True`.

A file is `checkpoint-N.pt`, where N counts agent steps or updates. `decision-N.pt` of version 0.1 is read too.
"""

import io
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from reverie.config.renamed import renamed_parameters
from reverie.errors import UserError
from reverie.files import atomic_write

NAME = re.compile(r"(?:checkpoint|decision)-(\d{12})\.pt")
KEEP = 2
MODULES = ("agent", "learner", "model")
"""Keys of a state that hold weights."""
OLD_KEYS = {"optimisers": "optimizers", "alarm": "collapse_detector", "window": "running_mean"}
"""Keys of a state in version 0.1, and their present names."""


def paths(folder: Path) -> list[Path]:
    """Return the checkpoints in `folder`, oldest first."""
    return sorted((path for path in folder.glob("*.pt") if NAME.fullmatch(path.name)), key=lambda path: path.name[-15:])


def write(folder: Path, number: int, state: dict[str, Any]) -> Path:
    """Write `state` (tensors, numbers, strings, lists, dicts) and delete all but the last two checkpoints."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    written = folder / f"checkpoint-{number:012d}.pt"
    atomic_write(written, buffer.getvalue())
    for path in paths(folder)[:-KEEP]:
        path.unlink()
    return written


def read(path: Path) -> dict[str, Any]:
    """Return the state in one file, on the CPU, by its present keys. Any exception means that the file is damaged."""
    with zipfile.ZipFile(path) as archive:  # torch.load does not check the checksums
        if damaged := archive.testzip():
            raise ValueError(f"wrong checksum of {damaged}")
    state = torch.load(path, map_location="cpu", weights_only=True)
    state = {OLD_KEYS.get(key, key): part for key, part in state.items()}
    return state | {name: renamed_parameters(state[name]) for name in MODULES if name in state}


def newest(folder: Path, rename: bool = False) -> dict[str, Any]:
    """Return the newest state that can be read. A damaged file is skipped with a warning, and renamed by its owner.

    Only a wrong format or checksum is damage. An error that may pass, such as too little memory or a missing
    permission, is a UserError and changes nothing.
    """
    for path in reversed(paths(folder)):
        try:
            return read(path)
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            if isinstance(error, OSError | MemoryError) or "memory" in reason.lower():
                raise UserError(f"Checkpoint {path} cannot be read now ({reason}): nothing was changed.") from error
            if rename:
                path.rename(path.with_suffix(".damaged"))
            warnings.warn(f"Checkpoint {path.name} is damaged ({reason}); using the one before it.", stacklevel=2)
    raise UserError(
        f"{folder.parent} holds no checkpoint that can be read: start it anew with `reverie train` in another folder."
    )
