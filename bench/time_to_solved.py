"""Seconds of training until an agent solves an environment: the mean of ten episodes passes a threshold.

    python bench/time_to_solved.py --task pendulum
    python bench/time_to_solved.py --task own cartpole --seeds 0 1

A run trains at the size that `reverie train` chooses for it, with the recipe's own settings. At every checkpoint its
agent plays ten episodes, and the first that passes ends the run. The seconds are wall time from the start of the run,
with building, collecting and saving, without imports and these evaluations.

A run that was killed goes on where it was: give the same command again. `--fresh` begins anew. Finished seeds are left
as they are. `bench/results/time_to_solved.json` keeps the rows of other tasks and seeds.
"""

import argparse
import json
import os
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from reverie import recipes
from reverie.evaluation.returns import evaluate
from reverie.files import atomic_write
from reverie.progress import Callback, Progress
from reverie.runs.config import OnlineConfig, read_config
from reverie.runs.interrupt import Interrupted, StopRequest
from reverie.runs.loop import open_session
from reverie.runs.online import OnlineRun

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "time_to_solved.json"
EPISODES = 10
EVALUATION_SEED = 10_000


@dataclass(frozen=True)
class Task:
    """A recipe, an environment, and the mean return that counts as solved."""

    recipe: str
    env: str
    threshold: float
    every: int
    """Decisions between two evaluations."""
    observe: tuple[str, ...] = ("pixels",)
    aim: float | None = None
    """Minutes within which it should be solved on two cores."""


TASKS = {
    "pendulum": Task("dreamer_v1", "Pendulum-v1", -250, 250, aim=3),
    "cartpole": Task("dreamer_v3", "CartPole-v1", 450, 1_000),
    "breakout": Task("dreamer_v2", "MinAtar/Breakout-v1", 4, 2_500),
    "walker_stand": Task("dreamer_v1", "dm_control/walker-stand-v0", 900, 2_500),
    "own": Task("dreamer_v3", "dot_board:DotBoard-v0", 0.8, 500, ("all",), aim=5),
}
"""`own` is `bench/dot_board.py`."""


class Ended(Exception):
    """Training need not go on."""


class Examine(Callback):
    """Evaluate the agent at every checkpoint, off the run's clock. `Ended` once it passes, or after `minutes`."""

    def __init__(self, run: OnlineRun, task: Task, minutes: float, episodes: int, file: Path) -> None:
        self.run, self.task, self.minutes, self.episodes, self.file = run, task, minutes, episodes, file
        self.stop = StopRequest()
        rows = json.loads(file.read_text()) if file.exists() else []
        self.rows = [row for row in rows if row["decisions"] <= run.clock.decisions]  # a later one is played again

    def on_checkpoint(self, progress: Progress, path: Path) -> None:
        if not self.stop:  # a run that is asked to stop is examined when it goes on
            self.examine()

    def examine(self) -> None:
        """Evaluate the present agent, unless it was before."""
        run, began = self.run, time.monotonic()
        clock = {"seconds": run.time.spent, **run.clock.moment}
        if run.clock.updates and clock["decisions"] not in [row["decisions"] for row in self.rows]:
            seed = EVALUATION_SEED + run.config.seed
            mean = fmean(evaluate(run.agent, run.config.env, self.episodes, seed).returns)
            self.rows.append({**clock, "return": mean})
            atomic_write(self.file, json.dumps(self.rows).encode())
            print(run.folder.parent.name, self.rows[-1], flush=True)
            run.time.began += time.monotonic() - began
        if self.solved or clock["seconds"] > 60 * self.minutes:
            raise Ended

    @property
    def solved(self) -> bool:
        return any(row["return"] >= self.task.threshold for row in self.rows)


def configure(task: Task, size: str, seed: int, threads: int, frames: int | None) -> OnlineConfig:
    """Return the recipe's config of the task. Only the rhythm of checkpoints is the benchmark's own."""
    settings = {"env.observe": ",".join(task.observe)}
    config = recipes.configure(task.recipe, size, task.env, settings)
    assert isinstance(config, OnlineConfig)
    training = replace(config.training, checkpoint_every=task.every, checkpoint_minutes=0.0)
    if frames is not None:
        training = replace(training, frames=frames)
    evaluation = replace(config.evaluation, every=0)
    return replace(config, seed=seed, threads=threads, evaluation=evaluation, training=training)


def measure(name: str, config: OnlineConfig, asked: argparse.Namespace) -> dict[str, Any]:
    """Train, or go on, until the agent passes. Return the row of the first one that does, or of the best one."""
    task, folder = TASKS[name], Path(asked.folder) / f"{name}-{config.seed}"
    if asked.fresh:
        shutil.rmtree(folder, ignore_errors=True)
    place, began, load = folder / "run", time.monotonic(), os.getloadavg()[0]
    begun = (place / "config.json").exists()
    run = OnlineRun.restore(read_config(place), place) if begun else OnlineRun.create(config, place)
    run.time.began = began
    examine = Examine(run, task, asked.minutes, asked.episodes, folder / "rows.json")
    with open_session(run, False, [examine]) as session, suppress(Ended):
        examine.stop = session.stop
        if begun:
            examine.examine()
        for batch, noise in session.batches():
            session.record(batch, run.update(batch, noise))
    if not examine.rows:
        raise SystemExit(f"{name} ended without an update: give it more frames.")
    passed = [row for row in examine.rows if row["return"] >= task.threshold]
    best = passed[0] if passed else max(examine.rows, key=lambda row: row["return"])
    head = {"seed": config.seed, "solved": bool(passed), "size": run.config.size, "threads": run.config.threads}
    return {**head, **best, "load_at_start": load, "evaluations": examine.rows}


def write(name: str, row: dict[str, Any]) -> None:
    """Put the row of one seed into the result file, which keeps all others."""
    task = TASKS[name]
    result = json.loads(RESULT.read_text()) if RESULT.exists() else {"tasks": {}}
    seeds = result["tasks"].get(name, {}).get("seeds", [])
    kept = [other for other in seeds if other["seed"] != row["seed"]]
    result["tasks"][name] = {
        "command": f"python bench/time_to_solved.py {' '.join(sys.argv[1:])}",
        "cores": len(os.sched_getaffinity(0)),
        **{"recipe": task.recipe, "env": task.env, "threshold": task.threshold, "aim_minutes": task.aim},
        "seeds": sorted([*kept, row], key=lambda one: one["seed"]),
    }
    atomic_write(RESULT, (json.dumps(result, indent=1) + "\n").encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", nargs="+", choices=TASKS, default=list(TASKS), help="default: all, in turn")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--size", default="auto", help="size of the recipe (default: auto)")
    parser.add_argument("--minutes", type=float, default=60, help="stop a run that takes longer (default: 60)")
    parser.add_argument("--frames", type=int, help="frames of a run (default: the recipe's)")
    parser.add_argument("--episodes", type=int, default=EPISODES, help=f"of an evaluation (default: {EPISODES})")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: as the run chooses)")
    parser.add_argument("--folder", default="runs/time_to_solved", help="where the runs are")
    parser.add_argument("--fresh", action="store_true", help="begin the runs anew")
    parser.add_argument("--dry", action="store_true", help="write no result")
    asked = parser.parse_args()
    sys.path.insert(0, str(HERE))  # for dot_board
    for name in asked.task:
        for seed in asked.seeds:
            config = configure(TASKS[name], asked.size, seed, asked.threads, asked.frames)
            try:
                row = measure(name, config, asked)
            except Interrupted as error:
                raise SystemExit("Interrupted and saved: the same command goes on.") from error
            outcome = "solved in" if row["solved"] else f"not solved, best {row['return']:.2f} after"
            print(f"{name}, seed {seed}: {outcome} {row['seconds']:.0f} s", flush=True)
            if not asked.dry:
                write(name, row)


if __name__ == "__main__":
    main()
