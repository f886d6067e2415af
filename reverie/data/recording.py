"""Collection of a dataset: random interaction in many processes. It can be resumed, with the same bits.

folder/
  dataset.json          what it is, and how much of it there is (`Manifest`)
  train/ test/          chunks as the replay writes them; whole trajectories are held out for `test`

A trajectory is a function of the environment, the seed and its number alone, not of the processes. The number says
which part it belongs to. So an interrupted collection goes on after the last trajectory that `dataset.json` counts.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from reverie import envs
from reverie.config.checks import at_least, check_setting
from reverie.config.files import read_file, write_file
from reverie.config.overrides import as_text, leaves
from reverie.data import validation
from reverie.data.base import model_spec, with_privileged
from reverie.data.chunks import Columns, chunks, layout, prune, read_chunk, write_chunk
from reverie.data.collector import Collector, random_actions
from reverie.envs.base import EnvConfig, Obs
from reverie.envs.vector import MAX_DEATHS
from reverie.errors import UserError
from reverie.files import Lease, remember_run, remove_partial
from reverie.progress import OnProgress, Progress
from reverie.spaces import EnvSpec

CHUNK = 1_000
"""Columns after which a chunk is written, at the end of a trajectory."""
STREAM = 3
"""The stream of the collector's seeds. The stream of the actions' seeds is one more."""


@dataclass(frozen=True)
class Part:
    """The size of a part. A trajectory has one more column (an observation) than transitions."""

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
    """The requested number of transitions, both parts together."""
    spec: EnvSpec
    """The spec of all recorded observations, privileged ones included."""
    train: Part
    test: Part

    @property
    def recorded(self) -> int:
        """Transitions so far."""
        return self.train.transitions + self.test.transitions

    @property
    def complete(self) -> bool:
        return self.recorded >= self.transitions


def available_cores() -> int:
    """Return how many processes can run at once here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_manifest(folder: Path) -> Manifest:
    """Read the `dataset.json` of a folder. UserError if there is none, or one of a newer format."""
    path = folder / "dataset.json"
    if not path.is_file():
        raise UserError(f"{folder} is no dataset, for it has no dataset.json: make one with `reverie collect`.")
    return read_file(Manifest, path)


def trajectories(folder: Path, manifest: Manifest) -> Iterator[dict[str, np.ndarray]]:
    """Yield the columns of each trajectory of both parts, in the order of their numbers."""
    parts = {name: _read_part(folder / name, manifest.spec) for name in ("train", "test")}
    for number in range(manifest.train.trajectories + manifest.test.trajectories):
        yield next(parts["test" if validation.held_out(number, manifest.held_out) else "train"])


def _read_part(folder: Path, spec: EnvSpec) -> Iterator[dict[str, np.ndarray]]:
    """Yield the columns of each trajectory of one part. A trajectory lies within one chunk."""
    for _, _, path in chunks(folder):
        stretch = {name: column.numpy() for name, column in read_chunk(path, list(layout(spec))).items()}
        for start, end in pairwise([0, *(np.flatnonzero(stretch["is_last"]) + 1).tolist()]):
            yield {name: column[start:end] for name, column in stretch.items()}


def collect(
    env: EnvConfig,
    folder: Path,
    transitions: int,
    seed: int = 0,
    held_out: float = 0.1,
    privileged: tuple[str, ...] = (),
    workers: int = 1,
    on_progress: OnProgress = lambda progress: None,
    on_decision: Callable[[], None] = lambda: None,
) -> Manifest:
    """Play whole trajectories of random actions until there are `transitions`, and write them to `folder`.

    A folder with a part of the same dataset is continued. A complete one stays as it is, unless `transitions` is
    larger now. `workers` processes play at once. `on_decision` is called before every decision, and may raise.

    UserError for settings that differ from the folder's, and for invalid data from the environment.
    """
    check_setting(Manifest, "held_out", held_out, "`held_out`")
    check_setting(Manifest, "transitions", transitions, "`transitions`")
    if env.workers or env.count > 1:
        raise UserError("--env.count and --env.workers are for training: say how many play here with --workers.")
    recorded = with_privileged(env, privileged)
    with closing(envs.make(recorded)) as environment:
        spec = environment.spec
    model_spec(spec, privileged)
    requested = Manifest(env, privileged, seed, held_out, transitions, spec, Part(), Part())
    with ExitStack() as owned:
        if folder.exists():
            owned.callback(Lease(folder).release)
            manifest = _continue(folder, requested)
        else:
            manifest = requested
            owned.callback(_remove_empty, folder)
            owned.callback(Lease(folder).release)
        return _record(folder, manifest, recorded, workers, on_progress, on_decision)


def _remove_empty(folder: Path) -> None:
    """Remove a folder in which nothing was written."""
    with suppress(OSError):
        folder.rmdir()


def _record(
    folder: Path,
    manifest: Manifest,
    recorded: EnvConfig,
    workers: int,
    on_progress: OnProgress,
    on_decision: Callable[[], None],
) -> Manifest:
    """Play and write until the dataset is complete."""
    env, seed, held_out, transitions = manifest.env, manifest.seed, manifest.held_out, manifest.transitions
    number, done = manifest.train.trajectories + manifest.test.trajectories, manifest.recorded
    waiting: dict[str, list[Columns]] = {"train": [], "test": []}
    began, started_at = time.monotonic(), done
    with closing(_random_trajectories(recorded, seed, number, workers, on_decision)) as trajectories:
        while not manifest.complete:
            columns = next(trajectories)
            validation.check(columns, manifest.spec, f"Trajectory {number} of {env.id}")
            waiting["test" if validation.held_out(number, held_out) else "train"].append(columns)
            number += 1
            done += len(columns["reward"]) - 1
            if done >= transitions:
                validation.check_held_out(number, f"A dataset of {transitions} transitions of {env.id}")
            if done >= transitions or sum(len(each["reward"]) for part in waiting.values() for each in part) >= CHUNK:
                manifest = _write(folder, manifest, waiting)
                waiting = {"train": [], "test": []}
            on_progress(Progress("transitions", done, transitions, done, 0, time.monotonic() - began, started_at))
    return manifest


def _random_trajectories(
    config: EnvConfig, seed: int, first: int, workers: int, on_decision: Callable[[], None]
) -> Generator[Columns, None, None]:
    """Play the trajectories `first`, `first + 1`, ... without end, by `workers` processes, and yield them in order.

    A trajectory whose process dies is played again. UserError if that happens `MAX_DEATHS` times to one.
    """
    with closing(envs.make_many(replace(config, count=workers, workers=workers > 1))) as environments:
        collector = Collector(environments, seed, STREAM, alike=True)
        playing = list(range(first, first + workers))
        collector.started = list(playing)  # the collector derives an episode's seed from its number
        generators = [torch.Generator() for _ in playing]
        finished: dict[int, Columns] = {}
        deaths: Counter[int] = Counter()

        def act(_: Obs, is_first: np.ndarray) -> np.ndarray:
            for i in np.flatnonzero(is_first):
                sequence = np.random.SeedSequence([seed, STREAM + 1, playing[i]])
                generators[i].manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> 1))
            return random_actions(environments, *generators)

        while True:
            on_decision()
            collector.step(act)
            for i, episode in enumerate(collector.episodes):
                if episode.finished:
                    finished[playing[i]] = episode.columns()
                    playing[i] = collector.started[i] = max(playing) + 1
                elif not episode.steps:
                    deaths[playing[i]] += 1
                    if deaths[playing[i]] == MAX_DEATHS:
                        raise UserError(
                            f"The process that played trajectory {playing[i]} died {MAX_DEATHS} times: take --workers 1"
                            " to see why. The same command goes on from the last written trajectory."
                        )
            while first in finished:
                yield finished.pop(first)
                first += 1


def _continue(folder: Path, requested: Manifest) -> Manifest:
    """Return the manifest from which to go on in `folder`. Delete files that it does not count."""
    if not (folder / "dataset.json").exists():
        if any(
            not path.name.endswith(".partial") and path.name not in ("owner.json", "origin")
            for path in folder.iterdir()
        ):
            raise UserError(f"{folder} is not empty and holds no dataset: take another --out.")
        remove_partial(folder)
        return requested
    before = read_manifest(folder)
    manifest = replace(requested, train=before.train, test=before.test)
    old, new = ({key: as_text(value) for key, value in leaves(each).items()} for each in (before, manifest))
    for key in old | new:
        was, now = old.get(key) or "nothing", new.get(key) or "nothing"
        if was != now and key != "transitions":
            raise UserError(f"{folder} was begun with {key} {was}, not {now}: take the same, or another --out.")
    if requested.transitions < before.transitions:
        begun = f"{folder} was begun for {before.transitions:,} transitions"
        raise UserError(f"{begun}: take that many or more, or another --out, and learn from fewer by --data.train.")
    remove_partial(folder)
    prune(folder / "train", since=manifest.train.columns)
    prune(folder / "test", since=manifest.test.columns)
    return manifest


def _write(folder: Path, manifest: Manifest, waiting: dict[str, list[Columns]]) -> Manifest:
    """Write the waiting trajectories, a chunk for each part, then the manifest that counts them. Return it."""
    parts = {"train": manifest.train, "test": manifest.test}
    try:
        if not (folder / "dataset.json").exists():
            remember_run(folder)
            write_file(folder / "dataset.json", manifest)  # if killed after the chunks, it is known as a dataset
        for name, trajectories in waiting.items():
            if trajectories:
                part, added = parts[name], len(trajectories)
                stretch = {key: torch.cat([each[key] for each in trajectories]) for key in trajectories[0]}
                write_chunk(folder / name, part.columns, stretch)
                length = len(stretch["reward"])
                parts[name] = Part(part.trajectories + added, part.transitions + length - added, part.columns + length)
        manifest = replace(manifest, train=parts["train"], test=parts["test"])
        write_file(folder / "dataset.json", manifest)
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}): take another --out.") from error
    return manifest
