"""The plan of a sweep: which cells its folder has, and those that a caller adds. Only its owner writes it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from reverie.config import plugins
from reverie.config.files import check_readable
from reverie.config.overrides import as_text, leaves
from reverie.envs.from_python import PREFIX
from reverie.errors import UserError
from reverie.files import Lease, atomic_write, is_own_run, remove_partial
from reverie.runs.config import RunConfig, check_consistent, read_config
from reverie.runs.folder import write_config
from reverie.runs.sweeps.base import Job
from reverie.runs.sweeps.state import FORMAT, Cell, Place, is_complete, places, read_cell, read_plan

Methods = Mapping[str, Sequence[RunConfig]]
"""The configs of each method, one for every task and seed; `reverie.grid` makes them from recipes."""


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Own a folder that is new, empty or a sweep's. One that stays empty is removed."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if names - {"cells", "owner.json"} and "sweep.json" not in names:
        raise UserError(f"{folder} is not the folder of a sweep, and not empty: choose another one.")
    lease = Lease(folder)
    try:
        yield
    finally:
        lease.release()
        with suppress(OSError):
            folder.rmdir()


@dataclass(frozen=True)
class Plan:
    """All cells of a folder, and the configs of those that are not complete."""

    folder: Path
    places: dict[str, Place]
    configs: dict[str, RunConfig]
    new: tuple[str, ...]
    """The cells that `write` makes."""
    record: dict[str, Any]
    """What `sweep.json` holds; empty before it is written."""

    @classmethod
    def read(cls, folder: Path, methods: Methods | None) -> "Plan":
        """Read the cells of `folder`, and add those of `methods` that it lacks. Nothing is written.

        UserError where a cell has other settings already, or a config could not be read back.
        """
        given = _by_name(methods or {})
        record = read_plan(folder) if not given or (folder / "sweep.json").exists() else {}
        there = places(record) if record else {}
        for name, (_, config) in given.items():
            if name in there:
                _refuse_other(folder, name, config)
            else:
                _check(name, config)
        configs = {name: config for name, (_, config) in given.items() if name not in there}
        new, complete = tuple(configs), [name for name in there if is_complete(folder / "cells" / name)]
        configs |= {name: read_config(folder / "cells" / name) for name in there if name not in complete}
        return cls(folder, there | {name: given[name][0] for name in new}, configs, new, record)

    @property
    def threads(self) -> int:
        """The most threads of a cell; 0 where all leave them open, and the sweep has not fixed them yet."""
        open_threads = self.record.get("threads", 0)
        return max((config.threads or open_threads for config in self.configs.values()), default=0)

    @property
    def uses_gpu(self) -> bool:
        return any(config.device != "cpu" for config in self.configs.values())

    def write(self, threads: int, suite: str | None) -> None:
        """Make the new cells, then name them in `sweep.json`.

        A config that leaves its threads open gets `threads`, or as many as earlier cells of the sweep. Their number is
        a part of what a run computes, so it stays as it was chosen first.
        """
        remove_partial(self.folder, deep=False)  # other processes may write to the cells
        if not self.new:
            return
        record: dict[str, Any] = {
            "format": FORMAT,
            "reverie": metadata.version("reverie"),
            "suite": suite,
            "threads": threads,
        }
        record |= {name: value for name, value in self.record.items() if value}
        for name in self.new:
            config = self.configs[name]
            config = self.configs[name] = config if config.threads else replace(config, threads=record["threads"])
            write_config(config, self.folder / "cells" / name)
        record["cells"] = {name: dict(zip(("method", "task", "seed"), place)) for name, place in self.places.items()}
        atomic_write(self.folder / "sweep.json", json.dumps(record, indent=1).encode())

    def jobs(self) -> list[Job]:
        """Return a job for each cell that is not complete, the longest first. What they failed of is forgotten."""
        unfinished = [(name, place) for name, place in self.places.items() if name in self.configs]
        left = {name: read_cell(self.folder, name, place) for name, place in unfinished}
        jobs = []
        for name in sorted(left, key=lambda name: left[name].done - left[name].total):
            config, folder = self.configs[name], self.folder.absolute() / "cells" / name
            (folder / "failed.json").unlink(missing_ok=True)
            jobs.append(Job(folder, config.threads, config.device != "cpu", _modules(name in self.new, folder, config)))
        return jobs

    def look(self, failed: Mapping[str, str]) -> list[Cell]:
        """Return the present state of all cells; `failed` are those whose failure no file tells yet."""
        cells = [read_cell(self.folder, name, place) for name, place in self.places.items()]
        return [
            replace(cell, state="failed", sentence=failed[cell.name])
            if cell.name in failed and cell.state != "done"
            else cell
            for cell in cells
        ]


def _by_name(methods: Methods) -> dict[str, tuple[Place, RunConfig]]:
    """Return place and config of each cell by its name. UserError for one that is there twice."""
    named: dict[str, tuple[Place, RunConfig]] = {}
    for method, config in ((method, config) for method, configs in methods.items() for config in configs):
        place = method, config.world, config.seed
        name = re.sub(r"[^\w.-]", "-", "-".join(map(str, place)))
        if name in named:
            raise UserError(f"The sweep has {name} twice: name each task and seed once, and methods differently.")
        named[name] = place, config
    return named


def _check(name: str, config: RunConfig) -> None:
    """Raise UserError for a config that another process could not read, or that contradicts itself."""
    if config.env is not None and config.env.id.startswith(PREFIX):
        raise UserError(f"{config.env.id} was given as Python code, which a sweep's processes lack: give it an id.")
    check_readable(config)
    check_consistent(config)


def _refuse_other(folder: Path, name: str, config: RunConfig) -> None:
    """Raise UserError where the cell of this name was made with other settings."""
    before = read_config(folder / "cells" / name)
    config = config if config.threads else replace(config, threads=before.threads)
    if config == before:
        return
    old, new = leaves(before), leaves(config)
    path = next(path for path in [*old, *new] if path not in old or path not in new or old[path] != new[path])
    values = [as_text(settings[path]) if path in settings else "missing" for settings in (old, new)]
    raise UserError(
        f"{folder} is another sweep's: `{path}` of {name} is {values[0]} there, and {values[1]} here; choose another "
        f"folder, or go on with `reverie sweep {folder}`."
    )


def _modules(is_new: bool, folder: Path, config: RunConfig) -> tuple[str, ...]:
    """Return the modules that a cell's process must import: those in use, and that of an id `module:Env-v0`.

    An id counts only if the user has typed it, here or for an earlier run of this sweep.
    """
    module = config.env.id.rpartition(":")[0] if config.env is not None else ""
    typed = [module] if module and (is_new or is_own_run(folder)) else []
    return tuple(dict.fromkeys([*plugins.used(), *typed]))
