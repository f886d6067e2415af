"""Checkpoint files: written atomically, only the last two remain, read back with `weights_only=True`.

A file is `checkpoint-N.pt`, where N counts agent steps or updates. `decision-N.pt` of version 0.1 is read too. Besides
the state of a run it holds the `format`, and the `writer`, which is the version that wrote it.

Wrong bytes are damage: a file that is cut, has a wrong checksum or is no checkpoint at all. Then the file before it is
used. A whole file that does not fit the run is an error, because the file before it would not fit either. In both cases
nothing is deleted.
"""

import io
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from reverie.config.renamed import renamed_parameters
from reverie.errors import UserError
from reverie.files import atomic_write
from reverie.runs.structure import misfit
from reverie.runs.versions import that_version_reads, writer, writer_of

State = dict[str, Any]
FORMAT = 3
NAME = re.compile(r"(?:checkpoint|decision)-(\d{12})\.(pt|damaged)")
KEEP = 2
MODULES = ("agent", "learner", "model")
"""Keys of a state that hold weights."""
OLD_KEYS = {"optimisers": "optimizers", "alarm": "collapse_detector", "window": "running_mean"}
"""Keys of a state in version 0.1, and their present names."""


def paths(folder: Path) -> list[Path]:
    """Return the checkpoints in `folder`, oldest first."""
    return [path for path in _all(folder) if path.suffix == ".pt"]


def begun(folder: Path) -> bool:
    """Return whether a checkpoint has ever been written to `folder`, even if it is damaged now."""
    return bool(_all(folder))


def _all(folder: Path) -> list[Path]:
    return sorted((path for path in folder.glob("*") if NAME.fullmatch(path.name)), key=lambda path: path.stem[-12:])


def write(folder: Path, number: int, state: State) -> Path:
    """Write `state` (tensors, numbers, strings, lists, dicts) and delete all but the last two checkpoints."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "writer": writer()} | state, buffer)
    written = folder / f"checkpoint-{number:012d}.pt"
    atomic_write(written, buffer.getbuffer())
    for path in paths(folder)[:-KEEP]:
        path.unlink()
    return written


def read(path: Path) -> Any:
    """Return the state in one file, on the CPU, as it was written. Any exception means that the file is damaged."""
    with zipfile.ZipFile(path) as archive:  # torch.load does not check the checksums
        if damaged := archive.testzip():
            raise ValueError(f"wrong checksum of {damaged}")
    return torch.load(path, map_location="cpu", weights_only=True)


def newest(folder: Path, rename: bool = False) -> State:
    """Return the newest state that can be read, in the present format. `file` in it is its path.

    A damaged file is skipped with a warning, and renamed by its owner. An error that may pass, such as too little
    memory or a missing permission, is a UserError and changes nothing. So is a state of a newer version.
    """
    for path in reversed(paths(folder)):
        try:
            state = read(path)
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            if isinstance(error, OSError | MemoryError) or "memory" in reason.lower():
                raise UserError(f"Checkpoint {path} cannot be read now ({reason}): nothing was changed.") from error
            instead = "" if path == paths(folder)[0] else "; using the one before it"
            if rename:
                path.rename(path.with_suffix(".damaged"))
            warnings.warn(f"Checkpoint {path.name} is damaged ({reason}){instead}.", stacklevel=2)
            continue
        return migrated(state, path) | {"file": str(path)}
    raise UserError(
        f"{folder.parent} holds no checkpoint that can be read: start it anew with `reverie train` in another folder."
    )


def check(state: State, form: Any, key: str | None = None) -> Any:
    """Return the state, or its part at `key`, if it has the form. UserError with the first place where it has not."""
    path, source = Path(state["file"]), state.get("writer") or writer_of(Path(state["file"]).parents[1])
    part = {name: value for name, value in state.items() if name not in ("file", "format", "writer")}
    wrong = misfit(part, form) if key is None else misfit(part.get(key), form, key)
    if wrong is not None:
        raise _unfit(path, wrong, source)
    return part if key is None else part[key]


def migrated(state: Any, path: Path) -> State:
    """Return a state of an earlier format in the present one. UserError if that cannot be."""
    source = writer_of(path.parents[1])
    if not isinstance(state, dict):
        raise _unfit(path, "it holds no run", source)
    number, source = state.get("format", 1), state.get("writer", source)
    if type(number) is not int or number < 1:
        raise _unfit(path, f"its format is {number!r}", source)
    if number > FORMAT:
        raise UserError(f"{path} was written by a newer version ({source}): take that version of Reverie.")
    try:
        for old in range(number, FORMAT):
            state = MIGRATIONS[old](state)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _unfit(path, f"it lacks what format {number} has, {error}", source) from error
    return state


def from_format_1(state: State) -> State:
    """Return a state of format 1 in format 2.

    Format 1 has names of 0.1, or the present ones. Its optimizers have settings, which are those of the config. It says
    neither the config nor the device, and counts log and evaluation together.
    """
    state = {OLD_KEYS.get(key, key): part for key, part in state.items()}
    state |= {name: renamed_parameters(state[name]) for name in MODULES if name in state}
    moments = {name: saved["state"] for name, saved in state["optimizers"].items()}
    state["optimizers"] = {name: [each[index] for index in sorted(each)] for name, each in moments.items()}
    state["clock"] = state["clock"] | {"logged": state["clock"]["reported"]}
    # The state of a generator has 16 bytes on a GPU, and 5056 on the CPU.
    state["device"] = "cuda" if state["generators"]["device"].numel() == 16 else "cpu"
    state.setdefault("collapse_detector", {"start": None, "scales": [], "raised": {}})
    if "ready" in state:
        state.setdefault("data", None)
    return state | {"config": None}


def from_format_2(state: State) -> State:
    """Return a state of format 2 in format 3: nothing says how long it has trained."""
    return {"time": {"spent": 0.0, "reserve": 0.0}} | state


MIGRATIONS: dict[int, Callable[[State], State]] = {1: from_format_1, 2: from_format_2}
"""What makes a state of one format one of the next."""


def _unfit(path: Path, wrong: str, source: str) -> UserError:
    before = " Move it away to go on from the one before it." if path != paths(path.parent)[0] else ""
    return UserError(
        f"{path} does not fit this run, because {wrong}: nothing was changed.{that_version_reads(source)}{before}"
    )
