"""`reverie compare`: the returns of runs beside each other, and beside published scores."""

from argparse import ArgumentTypeError, Namespace
from pathlib import Path

from reverie.cli.commands import common
from reverie.cli.parsing import Argument, Texts, command
from reverie.errors import UserError


def _solved(text: str) -> tuple[str, tuple[float, float]]:
    """Parse `ID=RANDOM,SOLVED`: a task, and the returns that count as 0 and 1."""
    task, _, numbers = text.rpartition("=")
    try:
        random, solved = map(float, numbers.split(","))
    except ValueError:
        random = solved = 0.0
    if not task or not abs(solved - random) < float("inf") or random == solved:
        raise ArgumentTypeError(
            f"a task's scores 0 and 1 are two different numbers, as in MyEnv-v0=-10,100, but `{text}` was given"
        )
    return task, (random, solved)


@command(
    "reverie compare runs/first mine=runs/a --published dreamer_v1 dreamer_v2 --out report",
    Argument("FOLDER", "folder of a sweep, of a run, or of runs; NAME=FOLDER names its method", nargs="*"),
    Argument("--published", "methods whose published scores stand beside, such as dreamer_v2", "NAME", many=True),
    Argument("--out", "folder of the report (default: comparison)", "FOLDER", default="comparison"),
    Argument("--at", "frames at which scores are compared (default: those of the slowest run)", "N", type=common.COUNT),
    Argument(
        "--returns", "training or evaluation (default: evaluation where all runs have them in training)", "KIND",
        choices=("training", "evaluation"),
    ),
    Argument("--center", "line of a method: mean or median of its seeds (default: mean)", "KIND",
             choices=("mean", "median"), default="mean"),
    Argument("--solved", "returns of your own task that count as 0 and 1", "ID=RANDOM,SOLVED", many=True, type=_solved),
)  # fmt: skip
def compare(arguments: Namespace, _: Texts) -> int:
    """Compare runs: curves, aggregates with intervals, tables and a page. Runs may be living; they are only read."""
    if not arguments.folder:
        raise UserError("Name the folders first: `reverie compare FOLDER ... --published NAME ...`.")
    from reverie.evaluation.comparison import tables
    from reverie.runs import compare as comparing

    out = Path(arguments.out)
    comparison = comparing.compare(
        arguments.folder,
        published=arguments.published,
        returns=arguments.returns,
        at=arguments.at,
        center=arguments.center,
        solved=dict(arguments.solved),
        out=out,
    )
    print(tables.plain(comparison))
    print(f"{comparison.cells}.")
    print("\n".join(f"- {remark}" for remark in comparison.remarks))
    common.print_paths({path.name: path for path in comparing.written(out)})
    return 0
