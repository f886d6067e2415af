"""Copy the results of sweeps into one small JSON: `bench/results/NAME.json`.

    python bench/scores.py dreamer_v3 runs/pendulum runs/cartpole --command "reverie sweep runs/pendulum ..."

Each run has its final episodes, its evaluations on the way, the returns of its training episodes, and what it cost in
frames, decisions, updates and seconds of wall time. `--command` says how the sweeps were made, once for each of them.
Runs that are not complete are counted and left out.
"""

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

import torch

import reverie
from reverie.runs.logger import read_metrics
from reverie.runs.sweeps.state import Cell

RESULTS = Path(__file__).resolve().parent / "results"


def numbers(cell: Cell) -> dict[str, Any]:
    """Return the results of a complete run."""
    log = read_metrics(cell.folder)
    final = json.loads((cell.folder / "evaluation.json").read_text())
    points = {
        kind: [[line["frames"], round(line["return"], 3)] for line in log if line["kind"] == kind]
        for kind in ("evaluation", "episode")
    }
    last = {name: max(line[name] for line in log) for name in ("frames", "decisions", "updates")}
    seconds = max(line["seconds"] for line in log if line["kind"] == "timing")
    return {
        **{"method": cell.method, "task": cell.task, "seed": cell.seed, "mean": final["mean"]},
        **{"returns": [round(value, 3) for value in final["returns"]], **last, "seconds": round(seconds)},
        **{"evaluations": points["evaluation"], "episodes": points["episode"]},
    }


def collect(folders: list[Path]) -> dict[str, Any]:
    """Return the results of all complete cells, the machine, and how many cells there are."""
    cells = [cell for folder in folders for cell in reverie.cells(folder)]
    done = [numbers(cell) for cell in cells if cell.state == "done"]
    machine = {"cores": os.cpu_count(), "platform": platform.platform(), "torch": torch.__version__}
    return {"machine": machine, "cells": len(cells), "complete": len(done), "runs": done}


def write(name: str, result: dict[str, Any]) -> None:
    """Write a result, a run a line."""
    runs = ",\n".join("  " + json.dumps(run) for run in result["runs"])
    head = json.dumps(result | {"runs": []}, indent=1).removesuffix("[]\n}")
    (RESULTS / f"{name}.json").write_text(f"{head}[\n{runs}\n ]\n}}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--command", action="append", required=True, help="how a sweep was made")
    asked = parser.parse_args()
    result = {"commands": asked.command, **collect(asked.folders)}
    write(asked.name, result)
    print(f"{asked.name}: {result['complete']} of {result['cells']} runs are complete")
    for run in result["runs"]:
        print(f"  {run['method']}, {run['task']}, seed {run['seed']}: {run['mean']:.1f} after {run['frames']:,} frames")


if __name__ == "__main__":
    main()
