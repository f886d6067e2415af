"""`reverie evaluate`, `imagine` and `sample`: use a trained run."""

import json
from argparse import Namespace

from reverie.cli.commands.arguments import Texts, print_paths, run_folder


def evaluate(arguments: Namespace, settings: Texts) -> int:
    """`reverie evaluate RUN`"""
    folder = run_folder(arguments.run)
    from reverie.runs.evaluation import evaluate

    of_env = {path.removeprefix("env."): text for path, text in settings.items() if path.startswith("env.")}
    of_planner = {path: text for path, text in settings.items() if not path.startswith("env.")}
    result = evaluate(
        folder,
        arguments.episodes,
        env=of_env or None,
        planner=of_planner or None,
        goal=arguments.goal,
        video=arguments.video,
        moment=arguments.moment,
        out=arguments.out,
        seed=arguments.seed,
        device=arguments.device,
    )
    if arguments.json:
        print(json.dumps(result.values | {"files": {name: str(path) for name, path in result.files.items()}}))
        return 0
    print("\n".join(result.sentences))
    print_paths(result.files)
    return 0


def imagine(arguments: Namespace, _: Texts) -> int:
    """`reverie imagine RUN`"""
    folder = run_folder(arguments.run)
    from reverie.runs.evaluation import imagine

    imagination = imagine(
        folder, arguments.context, arguments.horizon, out=arguments.out, seed=arguments.seed, device=arguments.device
    )
    print_paths(imagination.files)
    return 0


def sample(arguments: Namespace, _: Texts) -> int:
    """`reverie sample RUN`"""
    folder = run_folder(arguments.run)
    from reverie.runs.results import draw_samples

    print(f"{arguments.count} samples: {draw_samples(folder, arguments.count, arguments.seed, arguments.out)}")
    return 0
