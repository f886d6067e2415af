"""`reverie train` and `reverie resume`."""

import sys
from argparse import Namespace
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from reverie.cli.commands.given import Texts, mean_return, print_paths, run_config, run_folder

if TYPE_CHECKING:
    from reverie.progress import Progress
    from reverie.runs.config import RunConfig


def train(arguments: Namespace, settings: Texts) -> int:
    """`reverie train RECIPE`"""
    config = run_config(arguments, settings)
    folder = Path(arguments.run) if arguments.run else _free_folder(config)
    from reverie.runs.loop import train

    return _see_through(config, folder, lambda on_progress: train(config, folder, on_progress))


def resume(arguments: Namespace, _: Texts) -> int:
    """`reverie resume RUN`"""
    folder = run_folder(arguments.run)
    from reverie.runs.config import read_config

    config = read_config(folder)
    from reverie.runs.loop import resume

    return _see_through(config, folder, lambda on_progress: resume(folder, on_progress))


def _free_folder(config: "RunConfig") -> Path:
    """`runs/RECIPE-ENV-SEED`, with the first number behind it that makes it new."""
    name = f"{config.recipe}-{config.world.replace('/', '-')}-{config.seed}"
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(Path("runs") / name for name in names if not (Path("runs") / name).exists())


def _see_through(config: "RunConfig", folder: Path, work: "Callable[[Callable[[Progress], None]], Path]") -> int:
    """Train under the live display, then evaluate, draw, and tell where everything lies."""
    from reverie.cli.display import LiveDisplay
    from reverie.runs.config import OnlineConfig
    from reverie.runs.interrupt import Interrupted

    try:
        with LiveDisplay(f"{config.recipe} on {config.world}, seed {config.seed}, in {folder}") as display:
            work(display)
    except Interrupted as stop:
        print(f"reverie: {stop}", file=sys.stderr)
        return 130
    print("evaluating ...", flush=True)
    if isinstance(config, OnlineConfig):
        from reverie.runs import outcome

        result, paths = outcome.write(folder, config)
        print(mean_return(result.returns, config.env))
    else:
        from reverie.envs.base import EnvConfig
        from reverie.evaluate import generation, prediction, representation
        from reverie.models.world_model import WorldModelConfig

        judges = [generation]
        if isinstance(config.model, WorldModelConfig):
            judges = [*[prediction] * ("reconstruction" in config.model.signals), representation]
        values, paths = judges[0].write(folder, config)
        for judge in judges:
            print(judge.sentence(values))
            if warning := judge.warning(values):
                print(f"warning: {warning}")
        if config.goals and isinstance(getattr(config.data, "env", None), EnvConfig):
            from reverie.agents.agent import load
            from reverie.evaluate import goals

            agent = load(folder, config.device)
            found, more = goals.write(folder, agent, config.goals, config.goal_episodes, config.seed)
            print("\n".join(goals.sentences(found, config.goal_episodes)))
            paths |= more
    from reverie.runs.logger import read_metrics

    for line in read_metrics(folder, "alarm"):
        print(f"warning: {line['text']} (update {line['updates']})")
    print_paths({"run": folder, **paths})
    return 0
