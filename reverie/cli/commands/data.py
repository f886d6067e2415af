"""`reverie collect`."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from reverie.cli.commands.arguments import Texts, environment, print_paths

if TYPE_CHECKING:
    from reverie.progress import Progress


def collect(arguments: Namespace, settings: Texts) -> int:
    """`reverie collect ID`"""
    from reverie.data import minari
    from reverie.data.recording import available_cores, collect
    from reverie.runs.display import LiveDisplay
    from reverie.runs.interrupt import Interrupted, asked_to_stop

    env = environment(arguments.id, settings)
    out = Path(arguments.out or f"datasets/{env.id.replace('/', '-').replace(':', '-')}-{arguments.seed}")
    privileged = tuple(name for name in arguments.privileged.split(",") if name)
    workers = arguments.workers or available_cores()
    if arguments.minari:
        minari.check_new(arguments.minari)
    with LiveDisplay(f"collecting from {env.id}, seed {arguments.seed}, in {out}") as display, asked_to_stop() as stop:

        def on_progress(progress: "Progress") -> None:
            display(progress)
            if stop and progress.done < progress.total:
                raise Interrupted(f"Interrupted: the same command goes on with what is in {out}.")

        made = collect(
            env, out, arguments.transitions, arguments.seed, arguments.held_out, privileged, workers, on_progress
        )
    for name in ("train", "test"):
        part = getattr(made, name)
        print(f"{name}: {part.transitions:,} transitions in {part.trajectories:,} trajectories")
    print_paths({"dataset": out})
    if arguments.minari:
        minari.write(out, arguments.minari)
        print(f"  minari   {arguments.minari}")
    print(f"To learn from it: reverie train RECIPE --data Dataset --data.folder {out}")
    return 0
