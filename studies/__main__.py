"""Run a study: `python -m studies generative`, `python -m studies deformable --parts rope --publish`.

Trains in runs/study-NAME-SIZE. `--parts cloth/joint` measures one row of the deformables anew.
The same command resumes what was interrupted, and repeats nothing that is finished.
Published figures, numbers and tables come from this command at size `laptop`.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from reverie.errors import UserError, nearest
from reverie.files import atomic_write
from reverie.runs.display import LiveDisplay
from reverie.runs.interrupt import Interrupted
from studies import kit

SIZES = ("tiny", "laptop")
"""Sizes of a study whose `run.py` has no `SIZES` of its own."""


def names() -> list[str]:
    """All studies: the folders that have a `run.py`."""
    return sorted(path.parent.name for path in kit.ROOT.glob("*/run.py"))


def check_name(name: str) -> None:
    """UserError for a study that does not exist."""
    if name not in names():
        raise UserError(f"There is no study '{name}'.{nearest(name, names())} There are: {', '.join(names())}.")


def run(
    name: str, out: Path, size: str, on_progress: kit.OnProgress, parts: tuple[str, ...] = ()
) -> tuple[kit.Numbers, dict[str, str]]:
    """Run a study, or only `parts` of it, in `out`. Returns its numbers and its tables; figures are in `out`.

    The numbers of other parts are those that are published for this size.
    """
    check_name(name)
    study, report = (import_module(f"studies.{name}.{module}") for module in ("run", "report"))
    sizes, all_parts = getattr(study, "SIZES", SIZES), getattr(study, "PARTS", ())
    if size not in sizes:
        raise UserError(f"There is no size '{size}' of the study {name}: take one of {', '.join(sizes)}.")
    for part in parts:
        if part not in all_parts:
            choice = f"take some of {', '.join(all_parts)}" if all_parts else "it has no parts"
            raise UserError(f"There is no part '{part}' of the study {name}: {choice}.")
    out.mkdir(parents=True, exist_ok=True)
    numbers, published = kit.finite(study.study(out, size, on_progress, parts)), kit.ROOT / name / "numbers.json"
    if parts and published.exists() and (old := json.loads(published.read_text()))["size"] == size:
        numbers = kit.merge(old, numbers)
    report.draw(out, numbers)
    atomic_write(out / "numbers.json", json.dumps(numbers, indent=1).encode())
    return numbers, report.tables(numbers)


def redraw(name: str) -> Path:
    """Renew the plots and tables of a published study from its numbers; pictures that need models stay."""
    check_name(name)
    folder, report = kit.ROOT / name, import_module(f"studies.{name}.report")
    numbers = json.loads((folder / "numbers.json").read_text())
    report.draw(folder / "figures", numbers)
    return kit.publish(name, folder / "figures", numbers, report.tables(numbers))


def main(words: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit code: 0, 2 for a user's mistake, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        "python -m studies", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("name", metavar="NAME", help=f"one of {', '.join(names())}")
    parser.add_argument("--size", default="laptop", help="tiny or laptop; deformable also paper (default: laptop)")
    parser.add_argument("--parts", default="", help="some parts of it, such as rope,cloth (default: all)")
    parser.add_argument("--out", type=Path, help="folder, resumed if it is there (default: runs/study-NAME-SIZE)")
    parser.add_argument("--publish", action="store_true", help="copy figures, numbers and tables to studies/NAME")
    parser.add_argument("--redraw", action="store_true", help="train nothing: renew plots and tables from numbers.json")
    arguments = parser.parse_args(words)
    name, out = arguments.name, arguments.out or Path("runs") / f"study-{arguments.name}-{arguments.size}"
    parts = tuple(arguments.parts.split(",")) if arguments.parts else ()
    try:
        if arguments.redraw:
            print(f"  redrawn in {redraw(name)}")
            return 0
        if arguments.publish and arguments.size == "tiny":
            raise UserError("Size tiny is for tests: publish with --size laptop.")
        with LiveDisplay(f"study {name}, {arguments.size}, in {out}") as display:
            numbers, tables = run(name, out, arguments.size, display, parts)
        print("\n\n".join(tables.values()))
        print(f"\n  figures  {out}\n  numbers  {out / 'numbers.json'}")
        if arguments.publish:
            print(f"  published in {kit.publish(name, out, numbers, tables)}")
    except (Interrupted, KeyboardInterrupt):
        print(f"studies: Interrupted and saved: the same command goes on where {out} stands.", file=sys.stderr)
        return 130
    except UserError as error:
        print(f"studies: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
