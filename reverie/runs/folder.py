"""The folder of a run before its first checkpoint: what may lie in it, and its config and versions."""

import json
from pathlib import Path

import torch

from reverie.config.files import write_file
from reverie.errors import UserError
from reverie.files import atomic_write, remember_run
from reverie.runs.config import RunConfig
from reverie.runs.versions import versions


def check_new(folder: Path) -> None:
    """Raise UserError if a run cannot begin in `folder`: it is a file, or holds something."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: choose another --run.")
    if folder.exists() and any(not _is_left_over(path.name) for path in folder.iterdir()):
        raise UserError(f"{folder} is not empty: continue it with `reverie resume {folder}`, or take another --run.")


def _is_left_over(name: str) -> bool:
    """Whether a run leaves a file of this name if it is killed before it has written its config."""
    return name in ("owner.json", "origin") or (name.startswith(".") and name.endswith(".partial"))


def write_config(config: RunConfig, folder: Path) -> None:
    """Make a folder that of a run, which `resume` starts."""
    remember_run(folder)
    write_file(folder / "config.json", config)


def write_versions(device: torch.device, folder: Path) -> None:
    """Write `versions.json`."""
    atomic_write(folder / "versions.json", json.dumps(versions(device), indent=1).encode())
