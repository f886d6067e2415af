"""How much slower training is beside one busy process than alone, for each number of threads.

    python bench/busy.py
    python bench/busy.py --cases demo --rounds 5 --cores 0 1

A pair is the same short training twice: alone, then beside a process that never rests. Pairs of all numbers of threads
take turns, so what else the machine does meets all of them. A ratio is the median over its pairs. Training may use all
of `--cores`, and the busy process runs on `--busy-core` alone, by default the last of them.

`chosen` is what a run does by itself. It measures at its creation how many threads are worth it, here while it is
alone. It keeps the number when the other process begins. The number that it would choose beside that process is written
too.

Before each training the load is written, and how many cores others took in the half second before. A ratio of wall time
means what it says on a machine that is idle otherwise. The CPU seconds of an update stay the same while a process only
waits. Writes `bench/results/busy.json`. The exit code is 1 where `chosen` misses the bar.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "bench" / "results" / "busy.json"
BAR = 1.7
CASES = {"demo": ("Pendulum-v1", 12), "laptop": ("CartPole-v1", 6)}
"""By name: the environment, with images of 32x32 and of 64x64 pixels at size `laptop`, and updates that are timed."""
WARM = 3
"""Updates before the clock starts."""
BUSY = "while True: pass"
CHOOSE = (
    "import reverie, torch; from reverie.runs.processor import choose_threads as c; print(c(torch.get_num_threads()))"
)
TRAIN = """
import json, pathlib, sys, tempfile, time
from dataclasses import replace
import reverie
from reverie.runs.loop import open_session
from reverie.runs.online import OnlineRun
env, threads, warm, updates = json.loads(sys.argv[1])
config = reverie.recipe("dreamer_v1", "laptop", env)
decisions = 3 * config.training.length  # played at random, in short episodes
training = replace(
    config.training, prefill=decisions * config.env.repeat, frames=(decisions + warm + updates + 1) * config.env.repeat,
    pretrain=0, round=1, updates=1, checkpoint_minutes=0.0,
)
limit = config.training.length * config.env.repeat
config = replace(config, threads=threads, training=training, env=replace(config.env, time_limit=limit))
with tempfile.TemporaryDirectory() as folder:
    run = OnlineRun.create(config, pathlib.Path(folder) / "run")
    with open_session(run, False, []) as session:
        for batch, noise in session.batches():
            session.record(batch, run.update(batch, noise))
            if run.clock.updates == warm:
                start = time.perf_counter(), time.process_time()
            if run.clock.updates == warm + updates:
                wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
                print(json.dumps({"seconds": wall / updates, "cpu_seconds": cpu / updates}), flush=True)
                break
"""
"""Seconds of an update and the decision before it, in a run as `reverie train` makes it."""


def taken() -> float:
    """Return how many cores are in use, over half a second."""

    def ticks() -> tuple[int, int]:
        numbers = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
        return sum(numbers), numbers[3] + numbers[4]  # in all, and idle

    before = ticks()
    time.sleep(0.5)
    total, idle = (after - then for after, then in zip(ticks(), before))
    return (os.cpu_count() or 1) * (1 - idle / max(1, total))


def child(cores: list[int], program: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a Python program on some cores alone."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("OMP_", "MKL_NUM"))}
    command = ["taskset", "--cpu-list", ",".join(map(str, cores)), sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, env=kept | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True)


def output(cores: list[int], program: str, *arguments: str) -> Any:
    """Return what a program prints on its last line, as JSON."""
    process = child(cores, program, *arguments)
    printed, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"A training of {' '.join(arguments)} has failed.")
    return json.loads(printed.splitlines()[-1])


@contextmanager
def busy_process(core: int) -> Iterator[None]:
    """Keep one core busy."""
    process = child([core], BUSY)
    try:
        time.sleep(0.5)
        yield
    finally:
        process.kill()
        process.communicate()


def measure(case: str, threads: int, cores: list[int]) -> dict[str, float]:
    """Return the seconds of one training, and what the machine did before it."""
    env, updates = CASES[case]
    before = {"load": os.getloadavg()[0], "cores_taken": taken()}
    return output(cores, TRAIN, json.dumps([env, threads, WARM, updates])) | before


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    allowed = sorted(os.sched_getaffinity(0))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, default=5, help="pairs of each number of threads (default: 5)")
    parser.add_argument("--cores", nargs="+", type=int, default=allowed[:2], help="cores of the training")
    parser.add_argument("--busy-core", type=int, help="core of the busy process (default: the last of --cores)")
    asked = parser.parse_args()
    cores, busy = asked.cores, asked.cores[-1] if asked.busy_core is None else asked.busy_core
    chosen = output(cores, CHOOSE)
    with busy_process(busy):
        chosen_beside = output(cores, CHOOSE)
    numbers = {"chosen": chosen, "1": 1, "2": 2}
    rows = []
    for case in asked.cases:
        pairs: dict[str, list[dict[str, Any]]] = {name: [] for name in numbers}
        for _ in range(asked.rounds):
            for name, threads in numbers.items():
                alone = measure(case, threads, cores)
                with busy_process(busy):
                    beside = measure(case, threads, cores)
                pairs[name].append({"alone": alone, "beside": beside})
        for name, threads in numbers.items():
            alone, beside = ([pair[side]["seconds"] for pair in pairs[name]] for side in ("alone", "beside"))
            row = {"case": case, "threads": name, "number": threads, "alone": statistics.median(alone)}
            row["beside"] = statistics.median(beside)
            row["ratio"] = statistics.median(b / a for a, b in zip(alone, beside))
            rows.append(row | {"pairs": pairs[name]})
            print(
                f"{case:8}{name:>8} ({threads})  alone {row['alone']:.3f} s  beside {row['beside']:.3f} s  "
                f"ratio {row['ratio']:.2f}",
                flush=True,
            )
    result = {
        "command": f"python bench/busy.py {' '.join(sys.argv[1:])}".strip(),
        "machine": {"cores": os.cpu_count(), "of_training": cores, "of_the_busy_process": busy},
        "bar": BAR,
        "chosen_threads": {"alone": chosen, "beside": chosen_beside},
        "rows": rows,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    missed = [row["case"] for row in rows if row["threads"] == "chosen" and row["ratio"] > BAR]
    print(f"bar {BAR}: {'missed by ' + ', '.join(missed) if missed else 'met'}; chosen beside: {chosen_beside}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
