"""A real training run that takes seconds, for tests that kill it.

`python small_run.py train FOLDER [workers]` or `resume FOLDER`.
"""

import sys
from dataclasses import replace
from pathlib import Path

import reverie
from reverie.envs.base import EnvConfig
from reverie.runs.config import EvaluationConfig, OnlineConfig

DECISIONS, PREFILL, ROUND, UPDATES, CHECKPOINT, REPEAT = 120, 40, 10, 2, 20, 2


def config(world: str = "Slide", count: int = 1, **training) -> OnlineConfig:
    """The smallest Dreamer V1, in a world of `worlds`."""
    base = reverie.recipe("dreamer_v1", "tiny", f"worlds:{world}-v0")
    budget = {
        "frames": DECISIONS * REPEAT,
        "prefill": PREFILL * REPEAT,
        "round": ROUND,
        "updates": UPDATES,
        "log_every": 15,  # not a divisor of the checkpoints: half a window of metrics is saved too
        "checkpoint_every": CHECKPOINT,
    }
    return replace(
        base,
        threads=1,
        env=EnvConfig(f"worlds:{world}-v0", observe=("all",), image_size=16, repeat=REPEAT, count=count),
        training=replace(base.training, **(budget | training)),
        evaluation=EvaluationConfig(every=100, episodes=1),
    )


if __name__ == "__main__":
    try:
        command, folder, made = sys.argv[1], Path(sys.argv[2]), config()
        if "workers" in sys.argv:
            made = replace(made, env=replace(made.env, workers=True))
        reverie.train(made, folder, evaluate=False) if command == "train" else reverie.resume(folder, evaluate=False)
    except reverie.UserError as error:
        sys.exit(f"{error}")
