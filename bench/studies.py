"""A study's report, numbers and figures, from the command to docs/ and bench/results/.

    python bench/studies.py generative
    python bench/studies.py deformable --parts rope

Trains in runs/study-NAME-laptop; report and figures go to docs/studies/NAME, numbers to bench/results/study_NAME.json.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from reverie.cli.main import main as reverie
from studies import names

ROOT = Path(__file__).parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=names())
    parser.add_argument("--parts", help="some of its parts, such as rope (default: all)")
    arguments = parser.parse_args()
    name, parts = arguments.name, ["--parts", arguments.parts] if arguments.parts else []
    os.chdir(ROOT)  # configs name the folder of their data as it is named here, and so survive a move of it all
    out = Path("runs") / f"study-{name}-laptop"
    code = reverie(["study", name, "--out", str(out), *parts])
    if code == 0:
        target = ROOT / "docs" / "studies" / name
        target.mkdir(parents=True, exist_ok=True)
        for path in [*out.glob("*.png"), out / "study.md"]:
            shutil.copy(path, target)
        shutil.copy(out / "study.json", ROOT / "bench" / "results" / f"study_{name}.json")
    return code


if __name__ == "__main__":
    sys.exit(main())
