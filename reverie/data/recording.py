"""Collection of a dataset: random interaction in many processes. It can be resumed, always with the same bits.

folder/
  dataset.json          what it is, and how much of it there is (`Manifest`)
  train/ test/          chunks as the replay writes them; whole trajectories are held out for `test`

Trajectory number n is a function of environment, seed and n (`random_trajectories.py`), and n alone says where it
goes. So an interrupted collection goes on after the last trajectory that `dataset.json` counts.
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from reverie import envs
from reverie.config.checks import at_least, check_setting
from reverie.config.files import read_file, write_file
from reverie.config.overrides import as_text, leaves
from reverie.data import validation
from reverie.data.base import model_spec, with_privileged
from reverie.data.random_trajectories import random_trajectories
from reverie.data.replay import chunks, write_chunk
from reverie.data.trajectories import Columns
from reverie.envs.base import EnvConfig
from reverie.errors import UserError
from reverie.files import remove_partial
from reverie.progress import Progress
from reverie.spaces import EnvSpec

CHUNK = 1_000
"""Columns after which a chunk is written, at the end of a trajectory."""


@dataclass(frozen=True)
class Part:
    """The size of a part. A trajectory has one column (an observation) more than transitions."""

    trajectories: int = 0
    transitions: int = 0
    columns: int = 0


@dataclass(frozen=True)
class Manifest:
    """The content of `dataset.json`."""

    env: EnvConfig
    privileged: tuple[str, ...]
    seed: int
    held_out: float = field(metadata=validation.SHARE)
    transitions: int = field(metadata=at_least(1))
    """The number that was asked for, both parts together."""
    spec: EnvSpec
    """Of everything recorded, privileged observations included."""
    train: Part
    test: Part

    @property
    def recorded(self) -> int:
        """Transitions so far."""
        return self.train.transitions + self.test.transitions

    @property
    def complete(self) -> bool:
        return self.recorded >= self.transitions


def read_manifest(folder: Path) -> Manifest:
    """Read the `dataset.json` of a folder. UserError where there is none, or one of a newer format."""
    path = folder / "dataset.json"
    if not path.is_file():
        raise UserError(f"{folder} is no dataset, for it has no dataset.json: make one with `reverie collect`.")
    return read_file(Manifest, path)


def collect(
    env: EnvConfig,
    folder: Path,
    transitions: int,
    seed: int = 0,
    held_out: float = 0.1,
    privileged: tuple[str, ...] = (),
    workers: int = 1,
    on_progress: Callable[[Progress], None] | None = None,
) -> Manifest:
    """Play whole trajectories of random actions until there are `transitions`, and write them to `folder`.

    A folder with a part of the same dataset is continued; a complete one is left as it is. A larger number of
    transitions makes it longer. `workers` processes play at once.

    Raises UserError for settings other than the folder's, and where the environment gives invalid data.
    """
    manifest = _continue(folder, _new_manifest(env, transitions, seed, held_out, privileged))
    if manifest.complete:
        return manifest
    recorded = with_privileged(env, privileged)
    done, first = manifest.recorded, manifest.train.trajectories + manifest.test.trajectories
    began, started_at = time.monotonic(), done
    waiting: dict[str, list[Columns]] = {"train": [], "test": []}
    with closing(random_trajectories(recorded, seed, first, workers)) as trajectories:
        for number, columns in enumerate(trajectories, start=first):
            validation.check(columns, manifest.spec, f"Trajectory {number} of {env.id}")
            waiting["test" if validation.held_out(number, held_out) else "train"].append(columns)
            done += len(columns["reward"]) - 1
            if done >= transitions:
                validation.check_held_out(number + 1, f"A dataset of {transitions} transitions of {env.id}")
            if done >= transitions or sum(len(x["reward"]) for part in waiting.values() for x in part) >= CHUNK:
                manifest = _write(folder, manifest, waiting)
                waiting = {"train": [], "test": []}
            if on_progress is not None:
                seconds = time.monotonic() - began
                on_progress(Progress("transitions", done, transitions, done, 0, seconds, started_at))
            if done >= transitions:
                return manifest
    raise AssertionError("there is always another trajectory")


def _new_manifest(
    env: EnvConfig, transitions: int, seed: int, held_out: float, privileged: tuple[str, ...]
) -> Manifest:
    """Return the manifest of a dataset of which nothing has been collected. UserError for impossible settings."""
    check_setting(Manifest, "held_out", held_out, "`held_out`")
    check_setting(Manifest, "transitions", transitions, "`transitions`")
    if env.workers or env.count > 1:
        raise UserError("--env.count and --env.workers are for training: say how many play here with --workers.")
    with closing(envs.make(with_privileged(env, privileged))) as environment:
        spec = environment.spec
    model_spec(spec, privileged)
    return Manifest(env, privileged, seed, held_out, transitions, spec, Part(), Part())


def _continue(folder: Path, asked: Manifest) -> Manifest:
    """Return the manifest from which to go on in `folder`. Files that it does not count are deleted."""
    if not (folder / "dataset.json").exists():
        if folder.exists() and any(not path.name.endswith(".partial") for path in folder.iterdir()):
            raise UserError(f"{folder} is not empty and holds no dataset: take another --out.")
        return asked
    before = read_manifest(folder)
    for name in ("env", "privileged", "seed", "held_out", "spec"):
        if (old := getattr(before, name)) != (new := getattr(asked, name)):
            raise UserError(f"{folder} was begun {_difference(name, old, new)}: take the same, or another --out.")
    if asked.transitions < before.transitions:
        raise UserError(
            f"{folder} was begun for {before.transitions:,} transitions: take that many or more here, or another --out,"
            " and learn from fewer with --data.train."
        )
    manifest = replace(asked, train=before.train, test=before.test)
    remove_partial(folder)
    for name in ("train", "test"):
        for start, _, path in chunks(folder / name):
            if start >= getattr(manifest, name).columns:
                path.unlink()
    return manifest


def _difference(name: str, old: object, new: object) -> str:
    """Say where two settings differ."""
    if isinstance(old, EnvConfig) and isinstance(new, EnvConfig):
        before, after = leaves(old), leaves(new)
        key = next(key for key in before if before[key] != after[key])
        return f"with env.{key} {as_text(before[key])}, not {as_text(after[key])}"
    if name == "spec":
        return "with an environment that observed or did other things than this one"
    return f"with {name} {as_text(old) or 'nothing'}, not {as_text(new) or 'nothing'}"


def _write(folder: Path, manifest: Manifest, waiting: dict[str, list[Columns]]) -> Manifest:
    """Write the waiting trajectories, a chunk for each part, then the manifest that counts them. Return it."""
    parts = {"train": manifest.train, "test": manifest.test}
    try:
        if not (folder / "dataset.json").exists():
            write_file(folder / "dataset.json", manifest)  # without it the chunks would be taken for something else
        for name, trajectories in waiting.items():
            if trajectories:
                stretch = {key: torch.cat([each[key] for each in trajectories]) for key in trajectories[0]}
                write_chunk(folder / name, parts[name].columns, stretch)
                length = len(stretch["reward"])
                parts[name] = Part(
                    parts[name].trajectories + len(trajectories),
                    parts[name].transitions + length - len(trajectories),
                    parts[name].columns + length,
                )
        manifest = replace(manifest, train=parts["train"], test=parts["test"])
        write_file(folder / "dataset.json", manifest)
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}): take another --out.") from error
    return manifest
