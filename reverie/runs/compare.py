"""Compare runs and write what readers of papers expect: figures, a table, a page, and the scores for other programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reverie.evaluation.comparison import figures, numbers, page, tables
from reverie.evaluation.comparison.parts import Center, Comparison, Kind
from reverie.evaluation.published import Scale
from reverie.files import atomic_write, check_writable
from reverie.runs.curves import read_curves

_ENDS = ("png", "svg")


def compare(
    folders: str | Path | Sequence[str | Path],
    *,
    published: Sequence[str] = (),
    returns: Kind | None = None,
    at: int | None = None,
    center: Center = "mean",
    solved: Mapping[str, Scale] | None = None,
    out: str | Path | None = None,
) -> Comparison:
    """Return the numbers of a comparison of runs, and write its report into the folder `out` if one is given.

    - `folders`: of sweeps, of runs, or with runs in them. `NAME=FOLDER` names the method. They are only read.
    - `published`: methods whose published scores stand beside, such as `dreamer_v2`.
    - `returns`: of `training` or `evaluation` episodes. None takes evaluations where all runs make them in training.
    - `at`: frames at which scores are compared. None takes as many as the slowest run has.
    - `center`: the line of a method is the `mean` or the `median` of its seeds.
    - `solved`: for tasks of your own, the returns that count as 0 and 1.

    UserError where a folder holds no run, a log is damaged, or nothing is published for any task.
    """
    if out is not None:
        check_writable(Path(out) / "scores.json")
    named = [folders] if isinstance(folders, str | Path) else folders
    comparison = numbers.compare(read_curves(named), published, returns, at, center, solved)
    if out is not None:
        if not page.available():
            comparison = replace(comparison, remarks=(*comparison.remarks, page.MISSING))
        write(comparison, Path(out))
    return comparison


def write(comparison: Comparison, out: Path) -> None:
    """Write the report. What an earlier report in this folder had more is removed."""
    texts = {"table.md": tables.markdown(comparison), "scores.json": json.dumps(tables.rows(comparison))}
    if page.available():
        texts["index.html"] = page.html(comparison)
    for name, text in texts.items():
        atomic_write(out / name, text.encode())
    for name, draw in figures.FIGURES.items():
        figure = draw(comparison)
        for path in (out / f"{name}.{end}" for end in _ENDS):
            if figure is not None:
                figures.save(figure, path)
            else:
                path.unlink(missing_ok=True)


def written(out: Path) -> list[Path]:
    """Return the files of the report that are there."""
    names = ("index.html", "table.md", "scores.json", *(f"{name}.{end}" for name in figures.FIGURES for end in _ENDS))
    return [out / name for name in names if (out / name).exists()]
