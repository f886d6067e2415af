"""A study's report, numbers and figures, from the command to docs/studies/.

python bench/studies.py generative              runs/study-generative-laptop -> docs/studies/generative
"""

import argparse
import shutil
import sys
from pathlib import Path

from reverie.cli import main as reverie
from reverie.studies import names

ROOT = Path(__file__).parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=names())
    name = parser.parse_args().name
    out = ROOT / "runs" / f"study-{name}-laptop"
    code = reverie(["study", name, "--out", str(out)])
    if code == 0:
        target = ROOT / "docs" / "studies" / name
        target.mkdir(parents=True, exist_ok=True)
        for path in [*out.glob("*.png"), out / "study.md", out / "study.json"]:
            shutil.copy(path, target)
    return code


if __name__ == "__main__":
    sys.exit(main())
