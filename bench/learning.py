"""Learning curves: train a recipe for several seeds, evaluate each, and write curve, figures and settings.

    python bench/learning.py demo --recipe dreamer_v1 --size laptop --seeds 0 1 2
    python bench/learning.py walker_stand --env dm_control/walker-stand-v0 --seeds 0 --minutes 60 --set threads=1
    python bench/learning.py planet --recipe planet --seeds 0 1 2 --beside demo

Writes `bench/results/NAME.json` and `docs/images/NAME_curves.png`. The JSON has the command, and for each seed the
returns of all training episodes, the final evaluation, updates and seconds. Runs lie under `runs/bench/NAME-SEED`. The
same command resumes them.

`--minutes` limits the time of a run, over all its resumptions. The run then stops, is saved, and its agent is
evaluated. `--beside` adds earlier results of the same environment to the picture.
"""

import argparse
import json
import platform
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from reverie import recipes
from reverie.agents.agent import load
from reverie.config.files import encode
from reverie.config.overrides import override
from reverie.errors import UserError
from reverie.evaluation import open_loop, published
from reverie.evaluation.figures import Style, plot
from reverie.evaluation.imagination import imagine_episode
from reverie.evaluation.returns import evaluate
from reverie.progress import Progress
from reverie.runs import checkpoint
from reverie.runs.interrupt import Interrupted
from reverie.runs.logger import read_metrics
from reverie.runs.loop import resume, train

HERE = Path(__file__).parent
REFERENCES = ("dreamer_v1", "dreamer_v2", "planet", "dreamer_v3", "rainbow", "iqn")
"""Methods whose published scores a figure shows, where there are any."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--recipe", default="dreamer_v1")
    parser.add_argument("--size", default="laptop")
    parser.add_argument("--env")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--beside", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--set", nargs="*", default=[], metavar="LEAF=VALUE", type=setting)
    arguments = parser.parse_args()
    for name in arguments.beside:
        if not results(name).exists():
            parser.error(f"--beside {name}: there is no {results(name)}; measure it first")
    try:
        base = override(recipes.build(arguments.recipe, arguments.size, arguments.env), dict(arguments.set))
        seeds = [learn(arguments, replace(base, seed=seed)) for seed in arguments.seeds]
    except UserError as error:
        parser.error(str(error))
    result = {
        "command": "python bench/learning.py " + " ".join(sys.argv[1:]),
        "env": base.env.id,
        "machine": {"cores": torch.get_num_threads(), "platform": platform.platform(), "torch": torch.__version__},
        "mean": float(np.mean([seed["mean"] for seed in seeds])),
        "seeds": seeds,
        "config": encode(base),
    }
    results(arguments.name).write_text(json.dumps(result, indent=1))
    draw(arguments.name, result, arguments.beside)
    print(f"{arguments.name}: mean {result['mean']:.1f}, by seed {[round(seed['mean'], 1) for seed in seeds]}")


def setting(text: str) -> tuple[str, str]:
    """Split `LEAF=VALUE` into its two parts."""
    leaf, sign, value = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form LEAF=VALUE, such as threads=1")
    return leaf, value


def learn(arguments: argparse.Namespace, config) -> dict:
    """Train or resume one seed, evaluate it, and return its row."""
    folder = Path("runs/bench") / f"{arguments.name}-{config.seed}"
    clock = folder.parent / f"{arguments.name}-{config.seed}.seconds"
    before, started, shown = float(clock.read_text()) if clock.exists() else 0.0, time.time(), 0.0
    time_is_up = False

    def on_progress(progress: Progress) -> None:
        nonlocal shown, time_is_up
        spent = before + time.time() - started
        if time.time() - shown > 20:
            shown = time.time()
            clock.write_text(str(spent))
            recent = [round(x) for x in progress.returns[-5:]]
            clocks = f"{spent:6.0f} s {progress.done} frames {progress.updates} updates"
            print(f"{config.seed} {clocks} {recent}", flush=True)
        if arguments.minutes and spent > 60 * arguments.minutes and not time_is_up:
            time_is_up = True
            signal.raise_signal(signal.SIGTERM)  # stops the run between two steps, and saves it

    try:
        options: dict[str, Any] = {"progress": False, "callbacks": [on_progress], "evaluate": False}
        resume(folder, **options) if (folder / "checkpoints").exists() else train(config, folder, **options)
    except Interrupted:
        if not time_is_up:
            raise
    seconds = before + time.time() - started
    clock.write_text(str(seconds))
    agent = load(folder, config.device)
    result = evaluate(agent, config.env, config.evaluation.final_episodes, config.seed)
    open_loop.draw(folder, imagine_episode(agent, result.episodes[0]))
    last = checkpoint.newest(folder / "checkpoints")["clock"]
    row = {
        "seed": config.seed,
        "mean": float(np.mean(result.returns)),
        "returns": result.returns,
        "training_seconds": seconds,
        **{clock: last[clock] for clock in ("frames", "decisions", "updates")},
        "episodes": read_returns(folder, "episode"),
        "evaluations": read_returns(folder, "evaluation"),
    }
    print(f"seed {config.seed}: {row['mean']:.1f} after {row['frames']} frames, {seconds:.0f} s", flush=True)
    return row


def read_returns(folder: Path, kind: Literal["episode", "evaluation"]) -> list[tuple[int, float]]:
    """Return environment frames and returns from a run's log."""
    return [(line["frames"], round(line["return"], 2)) for line in read_metrics(folder, kind)]


def draw(name: str, measured: dict, beside: list[str]) -> None:
    """Draw evaluations, with training episodes faintly behind them, and published points of the task.

    A run without evaluations but the final one shows the mean of its last five training episodes. The label of a
    result is its recipe, or its name if two have the same recipe.
    """
    by_name = {name: measured} | {other: json.loads(results(other).read_text()) for other in beside}
    recipe = {other: result["config"]["recipe"] for other, result in by_name.items()}
    plain = len(set(recipe.values())) == len(recipe)
    labeled = {recipe[other] if plain else other: result for other, result in by_name.items()}
    evaluations, training = {}, {}
    for label, result in labeled.items():
        for seed in result["seeds"]:
            line, last = f"{label}, seed {seed['seed']}", (seed["frames"], seed["mean"])
            shown = seed["evaluations"] or smooth(seed["episodes"])
            evaluations[line] = [tuple(pair) for pair in shown if pair[0] < last[0]] + [last]
            training[line] = [thin(seed["episodes"])]
    longest, env, stars = max(seed["frames"] for seed in measured["seeds"]), measured["env"], {}
    for method in REFERENCES:
        points = published.points(method, published.benchmark({"id": env}), env)
        if near := [(point.frames, point.mean) for point in points if point.frames <= 2 * longest]:
            stars[f"{published.title(method)}, published"] = near
    path = HERE.parent / "docs" / "images" / f"{name}_curves.png"
    style = Style(f"{measured['env']}: evaluations, training faint", "environment frames", "episode return")
    plot(path, evaluations, style, faint=training, stars=stars)


def thin(episodes: list[list[float]], most: int = 60) -> list[tuple[float, float]]:
    """Average neighboring episodes, so that at most `most` points are left."""
    many = -(-len(episodes) // most)
    groups = [episodes[i : i + many] for i in range(0, len(episodes), many)]
    return [(group[-1][0], float(np.mean([value for _, value in group]))) for group in groups]


def smooth(episodes: list[list[float]], count: int = 5) -> list[tuple[float, float]]:
    """Return the mean of the `count` newest returns at each episode's frame."""
    means = np.convolve([value for _, value in episodes], np.ones(count) / count, "valid")
    return [(frames, float(mean)) for (frames, _), mean in zip(episodes[count - 1 :], means)]


def results(name: str) -> Path:
    """Return the file of a result."""
    return HERE / "results" / f"{name}.json"


if __name__ == "__main__":
    main()
