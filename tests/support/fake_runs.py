"""Folders that look like those of runs and sweeps, with returns of one's own choice, for tests that only read them."""

import json
from pathlib import Path


def run(
    folder: Path,
    returns: list[tuple[int, float]],
    *,
    task: str = "Pendulum-v1",
    seed: int = 0,
    recipe: str = "dreamer_v1",
    frames: int = 10_000,
    done: bool = True,
    evaluations: tuple[tuple[int, float], ...] = (),
    env: dict | None = None,
    model: dict | None = None,
    every: int = 0,
    seconds: tuple[tuple[int, float], ...] = (),
    threads: int = 1,
    device: str = "cpu",
    failed: str = "",
) -> Path:
    """Write the folder of a run with these training returns at these frames."""
    folder.mkdir(parents=True)
    config = {
        "format": 3, "type": "OnlineConfig", "recipe": recipe, "seed": seed, "device": "auto", "threads": threads,
        "env": {"id": task, "observe": ["pixels"], "time_limit": None, "kwargs": [], **(env or {})},
        "model": model or {}, "training": {"frames": frames, "log_every": 500}, "evaluation": {"every": every},
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "versions.json").write_text(json.dumps({"device": device}))
    lines = [
        *({"kind": "episode", "frames": at, "return": value} for at, value in returns),
        *({"kind": "evaluation", "frames": at, "return": value} for at, value in evaluations),
        *({"kind": "timing", "frames": at, "seconds": value} for at, value in seconds),
    ]
    lines.sort(key=lambda line: line["frames"])
    texts = [json.dumps(line | {"decisions": line["frames"], "updates": 0}) + "\n" for line in lines]
    if texts:
        (folder / "metrics.jsonl").write_text("".join(texts))
    if done:
        (folder / "evaluation.json").write_text(json.dumps({"mean": returns[-1][1] if returns else 0.0}))
    if failed:
        (folder / "failed.json").write_text(json.dumps({"sentence": failed}))
    return folder


def sweep(folder: Path, cells: dict[tuple[str, str, int], dict]) -> Path:
    """Write the folder of a sweep: by method, task and seed the arguments of `run`."""
    names = {}
    for number, ((method, task, seed), options) in enumerate(cells.items()):
        names[f"cell-{number}"] = {"method": method, "task": task, "seed": seed}
        run(folder / "cells" / f"cell-{number}", task=task, seed=seed, **options)
    (folder / "sweep.json").write_text(json.dumps({"format": 1, "cells": names}))
    return folder
