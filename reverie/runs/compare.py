"""Compare runs and write what readers of papers expect: figures, a table, a page, and the scores for other programs."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from reverie.errors import UserError
from reverie.evaluation.comparison import figures, numbers, page, tables
from reverie.evaluation.comparison.parts import Center, Comparison, Kind
from reverie.evaluation.published import Scale
from reverie.files import atomic_write, check_writable
from reverie.runs.curves import read_curves


def compare(
    folders: str | Path | Sequence[str | Path] | Mapping[str, str | Path],
    *,
    published: Sequence[str] = (),
    returns: Kind | None = None,
    at: int | None = None,
    center: Center = "mean",
    solved: Mapping[str, Scale] | None = None,
    out: str | Path | None = None,
) -> Comparison:
    """Return the numbers of a comparison of runs, and write its report into the folder `out` if one is given.

    - `folders`: of sweeps, of runs, or with runs in them; a mapping gives names to methods. They are only read.
    - `published`: methods whose published scores stand beside, such as `dreamer_v2`.
    - `returns`: of `training` or `evaluation` episodes. None takes evaluations where all runs make them in training.
    - `at`: frames at which scores are compared. None takes as many as the slowest run has.
    - `center`: the line of a method is the `mean` or the `median` of its seeds.
    - `solved`: for tasks of your own, the returns that count as 0 and 1.

    UserError where a folder holds no run, a log is damaged, or nothing is published for any task.
    """
    if out is not None:
        check_writable(Path(out) / "scores.json")
    if isinstance(folders, str | Path):
        folders = [folders]
    comparison = numbers.compare(read_curves(folders), published, returns, at, center, solved)
    if out is not None:
        write(comparison, Path(out))
    return comparison


def write(comparison: Comparison, out: Path) -> dict[str, Path]:
    """Write the report, and return its files by what they are. What an earlier report had more is removed."""
    files: dict[str, Path] = {}
    for name, draw in figures.FIGURES.items():
        figure = draw(comparison)
        for path in (out / f"{name}.png", out / f"{name}.svg"):
            if figure is None:
                with suppress(OSError):
                    path.unlink()
            else:
                files[path.name] = figures.save(figure, path)
    texts = {"table.md": tables.markdown(comparison), "scores.json": json.dumps(tables.rows(comparison))}
    with suppress(UserError):  # without the plotting library the rest is written all the same
        texts["index.html"] = page.html(comparison)
    for name, text in texts.items():
        files[name] = out / name
        atomic_write(files[name], text.encode())
    return files
