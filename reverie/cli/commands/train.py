"""`reverie train` and `reverie resume`."""

import sys
from argparse import Namespace
from pathlib import Path

from reverie.cli.commands.arguments import Texts, print_paths, run_config, run_folder


def train(arguments: Namespace, settings: Texts) -> int:
    """`reverie train RECIPE`"""
    config = run_config(arguments, settings)
    from reverie.runs.interrupt import Interrupted
    from reverie.runs.loop import train

    try:
        folder = train(config, arguments.run, progress=True, evaluate=False)
    except Interrupted as stop:
        return _interrupted(stop)
    return _finish(folder)


def resume(arguments: Namespace, settings: Texts) -> int:
    """`reverie resume RUN`"""
    folder = run_folder(arguments.run)
    from reverie.runs.interrupt import Interrupted
    from reverie.runs.loop import resume

    try:
        resume(folder, overrides=settings, progress=True, evaluate=False)
    except Interrupted as stop:
        return _interrupted(stop)
    return _finish(folder)


def _interrupted(stop: Exception) -> int:
    print(f"reverie: {stop}", file=sys.stderr)
    return 130


def _finish(folder: Path) -> int:
    """Evaluate and draw the finished run, and print what came out and where it is."""
    from reverie.runs.results import summarize

    print("evaluating ...", flush=True)
    results = summarize(folder)
    print("\n".join(results.sentences))
    print_paths({"run": folder, **results.files})
    return 0
