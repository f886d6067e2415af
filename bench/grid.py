"""Train one grid of cells on this machine and on a Ray cluster, disturb both, and compare every cell bit for bit.

    python bench/grid.py FOLDER            # goes on where it was ended

3 recipes x 2 environments x 2 seeds at size `laptop`. `FOLDER/embedded` is killed twice with all its processes by
SIGKILL. `FOLDER/ray` runs on two nodes of a cluster on this machine, one of which is removed hard and replaced. The
folder needs nothing else. Writes `bench/results/grid.json`, and what `reverie compare` needs of the cells to
`bench/results/grid`; exit code 1 if a cell differs. It needs the extra `cluster`, and takes about an hour of two cores.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import reverie
from reverie.runs.sweeps.state import Cell

ROOT = Path(__file__).resolve().parent.parent
RESULT, KEPT = ROOT / "bench" / "results" / "grid.json", ROOT / "bench" / "results" / "grid"
GRID = (
    "--recipes dreamer_v1 dreamer_v2 dreamer_v3 --tasks Pendulum-v1 CartPole-v1 --seeds 0 1 --frames 4000 --threads 1 "
    "--env.repeat 2 --env.image_size 32 --training.prefill 500 --evaluation.every 1000 --evaluation.episodes 5 "
    "--training.checkpoint_every 200 --device cpu"
)
PART = 0.25, 0.6
"""Parts of the whole after which the embedded sweep is killed; at the first one Ray loses its node."""


def command(folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "reverie", "sweep", str(folder), *GRID.split(), *more]


def progress(folder: Path) -> float:
    """Return the part of all frames that the cells have reached."""
    with suppress(OSError, ValueError, reverie.UserError):
        cells = reverie.cells(folder)
        return sum(cell.done / cell.total for cell in cells) / len(cells)
    return 0.0


def watch(folder: Path, more: list[str], disturb: Callable[[subprocess.Popen], None], at: float) -> bool:
    """Run the sweep until it ends, or until it has passed `at` and was disturbed. Return whether it ended."""
    with open(f"{folder}.txt", "a") as output:
        process = subprocess.Popen(command(folder, *more), stdout=output, stderr=output, start_new_session=True)
        while process.poll() is None:
            if progress(folder) >= at:
                disturb(process)
                at = float("inf")
            time.sleep(1)
    return process.returncode == 0


def kill(process: subprocess.Popen) -> None:
    """End the driver and all its cells by SIGKILL, as a power cut does."""
    owners = [json.loads(path.read_text())["pid"] for path in Path(process.args[4]).rglob("owner.json")]  # type: ignore[index]
    os.killpg(process.pid, signal.SIGKILL)
    for owner in owners:
        with suppress(ProcessLookupError):
            os.kill(owner, signal.SIGKILL)
    print(f"killed the driver and its {len(owners)} processes", flush=True)


def embedded(folder: Path) -> int:
    """Train on this machine, killed at the parts in `PART` that are still to come. Return the number of kills."""
    left = [part for part in PART if part > progress(folder)]
    for part in left:
        if watch(folder, [], kill, part):
            raise SystemExit("The sweep ended before it could be killed: take another folder.")
    watch(folder, [], lambda _: None, float("inf"))
    return len(PART)


def on_ray(folder: Path) -> int:
    """Train on two nodes of one CPU each; the first to run a cell is removed, and another one joins. Return losses."""
    from ray.cluster_utils import Cluster

    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "PYTHONPATH": str(ROOT)}
    store = {"object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **store})
    nodes = [cluster.add_node(num_cpus=1, **store) for _ in range(2)]
    os.environ["RAY_ADDRESS"] = cluster.address

    def lose_a_node(_: subprocess.Popen) -> None:
        cluster.remove_node(nodes[0], allow_graceful=False)
        print("removed a node", flush=True)
        cluster.add_node(num_cpus=1, **store)

    try:
        watch(folder, ["--on", "ray"], lose_a_node, PART[0])
    finally:
        cluster.shutdown()
    return 1


def contents(cell: Cell) -> tuple[list[str], bytes, bytes]:
    """Return what must not differ: the log without timings, the agent and its evaluation."""
    lines = (cell.folder / "metrics.jsonl").read_text().splitlines()
    kept = [line for line in lines if json.loads(line)["kind"] != "timing"]
    return kept, (cell.folder / "agent.safetensors").read_bytes(), (cell.folder / "evaluation.json").read_bytes()


def keep(sweep: Path) -> None:
    """Copy the settings and evaluations of a sweep, which are enough for `reverie compare`."""
    shutil.rmtree(KEPT, ignore_errors=True)
    for cell in reverie.cells(sweep):
        target = KEPT / cell.folder.relative_to(sweep)
        target.mkdir(parents=True)
        for name in ("config.json", "versions.json", "evaluation.json"):
            shutil.copy(cell.folder / name, target / name)
        lines = (cell.folder / "metrics.jsonl").read_text().splitlines(keepends=True)
        kept = (line for line in lines if json.loads(line)["kind"] in ("evaluation", "timing"))
        (target / "metrics.jsonl").write_text("".join(kept))
    shutil.copy(sweep / "sweep.json", KEPT / "sweep.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    kills, losses = embedded(folder / "embedded"), on_ray(folder / "ray")
    rows = []
    for here, there in zip(reverie.cells(folder / "embedded"), reverie.cells(folder / "ray"), strict=True):
        done = here.state == there.state == "done"
        equal = done and contents(here) == contents(there)
        mean = json.loads((here.folder / "evaluation.json").read_text())["mean"] if done else None
        rows.append({"cell": here.name, "equal": equal, "mean": mean})
        print(f"{here.name:32}{'equal' if equal else 'DIFFERS':10}{mean}", flush=True)
    machine = {"cores": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()}
    minutes = (time.monotonic() - began) / 60
    result = {"command": "python bench/grid.py FOLDER", "sweep": GRID, "machine": machine, "minutes": minutes}
    result |= {"embedded_kills": kills, "ray_nodes_lost": losses, "cells": rows}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    keep(folder / "embedded")
    sys.exit(not all(row["equal"] for row in rows))


if __name__ == "__main__":
    main()
