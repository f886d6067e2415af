"""Seconds of training until an agent solves an environment: ten episodes pass a threshold, on average.

    python bench/time_to_solved.py --cases pendulum own --seeds 0 1

A run trains at the default settings of size `laptop`, and its agent is kept at every checkpoint. Then the agents are
evaluated in order, until one passes. The time is that of its training on this machine, without evaluations: from the
start of the run, with collecting and building included. Writes `bench/results/time_to_solved.json`, which keeps the
rows of other cases.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import reverie
from reverie.evaluation.returns import evaluate
from reverie.progress import Callback, Progress

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "time_to_solved.json"
EPISODES = 10


@dataclass(frozen=True)
class Case:
    """A recipe, an environment, the mean return that counts as solved, and decisions between two kept agents."""

    recipe: str
    env: str
    threshold: float
    every: int
    observe: tuple[str, ...] = ("pixels",)


CASES = {
    "pendulum": Case("dreamer_v1", "Pendulum-v1", -250, 250),
    "cartpole": Case("dreamer_v1", "CartPole-v1", 450, 1_000),
    "breakout": Case("dreamer_v2", "MinAtar/Breakout-v1", 4, 2_500),
    "walker_stand": Case("dreamer_v1", "dm_control/walker-stand-v0", 900, 2_500),
    "own": Case("dreamer_v1", "dot_board:DotBoard-v0", 0.8, 500, ("all",)),
}
"""`own` is `bench/dot_board.py`."""


class Solved(Exception):
    """Training need not go on."""


class KeepAgents(Callback):
    """Copy the agent at every checkpoint, with the seconds and counts until then. Stop when `minutes` are over."""

    def __init__(self, folder: Path, minutes: float) -> None:
        self.folder, self.minutes, self.start = folder, minutes, time.perf_counter()
        self.kept: list[tuple[float, Progress, Path]] = []

    def on_checkpoint(self, progress: Progress, path: Path) -> None:
        seconds, run = time.perf_counter() - self.start, path.parent.parent
        place = self.folder / f"{progress.decisions:09d}"
        place.mkdir(parents=True, exist_ok=True)
        for name in ("agent.json", "agent.safetensors"):
            if (run / name).exists():
                shutil.copy(run / name, place / name)
        self.kept.append((seconds, progress, place))
        if seconds > 60 * self.minutes:
            raise Solved


def measure(name: str, seed: int, minutes: float, threads: int) -> dict:
    """Train once and return the row of the first agent that passes, or of the best one."""
    case, folder = CASES[name], Path("runs") / "time_to_solved" / f"{name}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    config = reverie.recipe(case.recipe, "laptop", case.env)
    config = replace(
        config,
        seed=seed,
        threads=threads,
        env=replace(config.env, observe=case.observe),
        evaluation=replace(config.evaluation, every=0),
        training=replace(config.training, checkpoint_every=case.every),
    )
    keep = KeepAgents(folder / "agents", minutes)
    with suppress(Solved):
        reverie.train(config, folder / "run", callbacks=[keep], progress=False, evaluate=False)
    returns = []
    for seconds, progress, place in keep.kept:
        if progress.updates:
            played = evaluate(reverie.load(place), config.env, EPISODES, seed=10_000 + seed)
            returns.append({"seconds": seconds, "frames": progress.done, "updates": progress.updates})
            returns[-1]["return"] = float(sum(played.returns) / len(played.returns))
            print(name, seed, returns[-1], flush=True)
            if returns[-1]["return"] >= case.threshold:
                return {"seed": seed, "solved": True, **returns[-1], "agents": returns}
    best = max(returns, key=lambda row: row["return"])
    return {"seed": seed, "solved": False, **best, "agents": returns}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--minutes", type=float, default=60, help="stop a run that takes longer")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: as the run chooses)")
    asked = parser.parse_args()
    sys.path.insert(0, str(HERE))  # for dot_board
    result = json.loads(RESULT.read_text()) if RESULT.exists() else {"cases": {}}
    for name in asked.cases:
        rows = [measure(name, seed, asked.minutes, asked.threads) for seed in asked.seeds]
        case = CASES[name]
        result["cases"][name] = {
            "command": f"python bench/time_to_solved.py {' '.join(sys.argv[1:])}",
            "machine": {"cpu": platform.processor(), "cores": os.cpu_count(), "load": os.getloadavg()[0]},
            **{"recipe": case.recipe, "env": case.env, "threshold": case.threshold, "seeds": rows},
        }
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
