"""Checkpoint files: written atomically, the last two kept, read back with `weights_only=True`; and weights alone."""

import io
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reverie.disk import atomic_write
from reverie.errors import UserError

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


def write_weights(path: Path, module: nn.Module) -> None:
    """A module's weights alone, as safetensors, atomically."""
    from safetensors.torch import save

    atomic_write(path, save({name: x.detach().cpu().contiguous() for name, x in module.state_dict().items()}))


def read_weights(path: Path, module: nn.Module) -> None:
    """Load what `write_weights` wrote into a module of the same shape. UserError where the file is damaged."""
    from safetensors.torch import load_file

    try:
        module.load_state_dict(load_file(path))
    except Exception as error:
        raise UserError(f"{path} is damaged ({error}): `reverie resume` the run to write it anew.") from error


def read_parts(path: Path, module: nn.Module, parts: tuple[str, ...]) -> None:
    """Load what `write_weights` wrote of the named parts of a module, no others. UserError where they differ."""
    from safetensors.torch import load_file

    own = {name: x for name, x in module.state_dict().items() if name.partition(".")[0] in parts}
    try:
        found = load_file(path)
    except Exception as error:
        raise UserError(f"{path} cannot be read ({error}): give the folder of a finished run.") from error
    for name, x in own.items():
        if name not in found or found[name].shape != x.shape:
            raise UserError(f"{path} has no {name} of shape {tuple(x.shape)}: begin with a run of the same sizes.")
    module.load_state_dict({name: found[name] for name in own}, strict=False)
