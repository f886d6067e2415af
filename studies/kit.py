"""What every study needs: train a run once, measure once, record data once, tell the display, format tables."""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

import reverie_worlds  # noqa: F401  registers the environments of the studies
from reverie import recipes
from reverie.data.base import Recorded, RecordedConfig
from reverie.data.dataset import DatasetConfig
from reverie.data.recording import collect
from reverie.envs.base import EnvConfig
from reverie.errors import UserError
from reverie.files import atomic_write
from reverie.progress import Progress
from reverie.runs import checkpoint
from reverie.runs.config import OfflineConfig, OnlineConfig, RunConfig, read_config
from reverie.runs.loop import resume, train

ROOT = Path(__file__).parent
OnProgress = Callable[[Progress], None]
Numbers = Mapping[str, Any]
"""All measurements of a study, as JSON holds them."""


def offline_recipe(name: str, size: str, env_id: str | None = None) -> OfflineConfig:
    """Return the config of a recipe that learns from recorded data."""
    return cast(OfflineConfig, recipes.build(name, size, env_id))


def online_recipe(name: str, size: str) -> OnlineConfig:
    """Return the config of a recipe that trains an agent."""
    return cast(OnlineConfig, recipes.build(name, size))


def ensure_trained(config: RunConfig, folder: Path, on_progress: OnProgress) -> Path:
    """Train `config` in `folder`, or resume or reuse the run there. Returns `folder`.

    Raises UserError if the folder holds a run with another config.
    """

    def report(progress: Progress) -> None:
        message = f"training {folder.name}"
        if progress.message:
            message += f"; {progress.message}"
        on_progress(replace(progress, message=message))

    if not folder.exists():
        return train(config, folder, progress=False, callbacks=[report], evaluate=False)
    before = read_config(folder)
    if before != replace(config, threads=config.threads or before.threads):
        raise UserError(f"{folder} holds a run with other settings: delete it, or give the study another --out.")
    if not checkpoint.paths(folder / "checkpoints"):
        raise UserError(f"{folder} was stopped before its first checkpoint: delete it to train it anew.")
    return resume(folder, progress=False, callbacks=[report], evaluate=False)


def cached(path: Path, measure: Callable[[], Any], settings: Any = None) -> Any:
    """Return the measurement in `path` if it was made with the same `settings`; else call `measure` and write it.

    The result is what JSON holds: keys are text, and NaN is None.
    """
    settings = finite(settings)
    if path.exists() and (saved := json.loads(path.read_text())).get("settings") == settings:
        return saved["result"]
    result = finite(measure())
    atomic_write(path, json.dumps({"settings": settings, "result": result}, indent=1).encode())
    return result


def finite(value: Any) -> Any:
    """The same value as JSON holds it, with None for NaN."""
    return json.loads(json.dumps(value), parse_constant=lambda name: None if name == "NaN" else float(name))


def record(
    env: EnvConfig,
    folder: Path,
    transitions: int,
    privileged: tuple[str, ...],
    on_progress: OnProgress,
    workers: int = 1,
) -> DatasetConfig:
    """Record random interaction in `folder` unless it is complete; a tenth is held out.

    `privileged`: observations to record that models do not see.
    """
    message = f"recording {folder.name}"
    collect(
        env,
        folder,
        transitions,
        held_out=0.1,
        privileged=privileged,
        workers=workers,
        on_progress=lambda progress: on_progress(replace(progress, message=message)),
    )
    return DatasetConfig(str(folder))


def merge(old: Numbers, new: Numbers) -> dict[str, Any]:
    """Return `old` with the measurements of `new` in their places."""

    def joined(before: Any, after: Any) -> Any:
        return merge(before, after) if isinstance(before, Mapping) and isinstance(after, Mapping) else after

    return {**old, **{name: joined(old.get(name), value) for name, value in new.items()}}


def load_data(config: RecordedConfig, folder: Path, seed: int = 0) -> Recorded:
    """Return the recorded data of a run in `folder`, loaded to the CPU."""
    recorded = config.build(folder, seed, torch.device("cpu"), torch.Generator())
    recorded.load(lambda _: None)
    return recorded


def report_progress(
    on_progress: OnProgress, message: str, done: int = 0, total: int = 1, unit: str = "episodes", seconds: float = 0.0
) -> None:
    """Show `message` and how far a measurement is."""
    on_progress(Progress(unit, done, total, 0, done if unit == "updates" else 0, seconds, 0, message=message))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


Columns = Sequence[tuple[str, Callable[[Any], str]]]
"""Heads of a table's columns, and the cell of each from a row's measurements."""


def table_of(results: Mapping[str, Any], columns: Columns, head: str = "") -> str:
    """A Markdown table with a row for each entry, its name first; `head` stands above the names."""
    rows = [[name, *(cell(result) for _, cell in columns)] for name, result in results.items()]
    return table([head, *(name for name, _ in columns)], rows)


def number(value: float | None, digits: int = 2) -> str:
    """A number with that many decimals; a dash for None and NaN."""
    return "–" if value is None or np.isnan(value) else f"{value:.{digits}f}"


def mean_std(values: Sequence[float], digits: int = 2) -> str:
    """`mean ± standard deviation`."""
    return f"{np.mean(values):.{digits}f} ± {np.std(values):.{digits}f}"


def fill(text: str, tables: Mapping[str, str]) -> str:
    """Put each table between its markers `<!-- numbers: NAME -->` and `<!-- /numbers -->`.

    Raises UserError if the text has no place for a table. Places of tables that are not given stay as they are.
    """
    for name, content in tables.items():
        place = re.compile(rf"(<!-- numbers: {re.escape(name)} -->\n).*?(<!-- /numbers -->)", re.DOTALL)
        if not place.search(text):
            raise UserError(
                f"The README has no place for its table: add `<!-- numbers: {name} -->`, `<!-- /numbers -->`."
            )
        text = place.sub(lambda match, content=content: f"{match[1]}\n{content}\n\n{match[2]}", text)
    return text


def publish(name: str, out: Path, numbers: Numbers, tables: Mapping[str, str], root: Path = ROOT) -> Path:
    """Copy figures and numbers of a finished study from `out` into its folder, and renew the tables in its README."""
    folder = root / name
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    if out != folder / "figures":
        for figure in sorted(out.glob("*.png")):
            shutil.copy(figure, folder / "figures")
    atomic_write(folder / "numbers.json", json.dumps(numbers, indent=1).encode())
    readme = folder / "README.md"
    atomic_write(readme, fill(readme.read_text(), tables).encode())
    return folder
