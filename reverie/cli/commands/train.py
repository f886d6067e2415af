"""`reverie train` and `reverie resume`."""

from argparse import Namespace
from pathlib import Path

from reverie.cli.commands.arguments import Texts, print_paths, run_config, run_folder


def train(arguments: Namespace, settings: Texts) -> int:
    """`reverie train RECIPE`"""
    config = run_config(arguments, settings)
    from reverie.runs.loop import train

    return _finish(train(config, arguments.run, progress=True, evaluate=False))


def resume(arguments: Namespace, settings: Texts) -> int:
    """`reverie resume RUN`"""
    folder = run_folder(arguments.run)
    from reverie.runs.loop import resume

    resume(folder, overrides=settings, progress=True, evaluate=False)
    return _finish(folder)


def _finish(folder: Path) -> int:
    """Evaluate and draw the finished run, and print what came out and where it is."""
    from reverie.runs.results import summarize

    print("evaluating ...", flush=True)
    results = summarize(folder)
    print("\n".join(results.sentences))
    print_paths({"run": folder, **results.files})
    return 0
