"""Writing of a collected dataset as an .npz of plain arrays, which `ArraysConfig` reads back."""

from pathlib import Path

import numpy as np

from reverie.data.arrays import KNOWN
from reverie.data.recording import read_manifest, trajectories
from reverie.errors import UserError
from reverie.files import atomic_file, check_writable


def check_new(target: str) -> None:
    """Raise UserError unless `target` is a new .npz file that can be written."""
    if not target.endswith(".npz"):
        raise UserError(f"The arrays go into an .npz file, and {target} is none: give one with --to.")
    if Path(target).exists():
        raise UserError(f"{target} is there already: take another --to, or delete that file.")
    check_writable(Path(target))


def write(folder: Path, target: str) -> None:
    """Write all trajectories as the rows of one file, in their order. Actions stay in the normal form."""
    check_new(target)
    manifest = read_manifest(folder)
    own = {name: {"pixels": "images"}.get(name, name) for name in manifest.spec.obs}
    if taken := [name for name, array in own.items() if array in KNOWN or (array == "images" and name != "pixels")]:
        raise UserError(f"Arrays cannot have an observation {taken[0]!r}: write --format minari or lerobot.")
    episodes = list(trajectories(folder, manifest))
    obs = {array: np.concatenate([each[f"obs/{name}"] for each in episodes]) for name, array in own.items()}
    size = manifest.spec.action.size
    arrays = obs | {
        "actions": np.concatenate([each["action"] for each in episodes]),
        "episode": np.repeat(np.arange(len(episodes)), [len(each["reward"]) for each in episodes]),
        "rewards": np.concatenate([each["reward"] for each in episodes]),
        "terminal": np.concatenate([each["is_terminal"] for each in episodes]),
        "privileged": np.array(manifest.privileged, np.str_),
        "discrete": np.array(manifest.spec.action.discrete),
        "low": -np.ones(size),
        "high": np.ones(size),
    }
    with atomic_file(Path(target), sum(array.nbytes for array in arrays.values())) as file:
        np.savez(file, **arrays)  # pyrefly: ignore
