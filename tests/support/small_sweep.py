"""A sweep of four runs that take seconds, for tests that kill its processes: `python small_sweep.py FOLDER [ON]`."""

import sys
from dataclasses import replace
from pathlib import Path

import small_run

import reverie
from reverie.runs.config import OnlineConfig

WORLDS, SEEDS = ("Slide", "Aside"), (0, 1)


def methods(**training) -> dict[str, list[OnlineConfig]]:
    """Return two worlds x two seeds of the smallest Dreamer V1."""
    bases = [small_run.config(world, **training) for world in WORLDS]
    configs = [replace(base, evaluation=replace(base.evaluation, final_episodes=1), device="cpu") for base in bases]
    return {"dreamer_v1": [replace(config, seed=seed) for config in configs for seed in SEEDS]}


if __name__ == "__main__":
    try:
        reverie.sweep(Path(sys.argv[1]), methods(), on=sys.argv[2] if sys.argv[2:] else None, progress=True)
    except reverie.UserError as error:
        print(error)
        sys.exit(error.code)
