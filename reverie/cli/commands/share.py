"""Commands that share a run: `push`, `export`."""

from argparse import Namespace
from pathlib import Path

from reverie.cli.commands import common
from reverie.cli.parsing import Argument, Texts, command
from reverie.runs import card

SUFFIX = {"torch": ".pt2", "onnx": ".onnx"}
"""Endings of exported programs."""


@command(
    "reverie push runs/dreamer_v1-Pendulum-v1-0 user/pendulum",
    common.RUN,
    Argument("NAME", "name on the Hub, user/name"),
    Argument("--out", "only write the files into this new folder, and send nothing", "DIR"),
    Argument("--license", "license of the weights for the card, such as mit", "ID"),
    Argument("--private", "make a new repository private", action="store_true"),
)
def push(arguments: Namespace, _: Texts) -> int:
    """Put a run on the Hub of Hugging Face, with a card: curve, film, table, settings and versions."""
    folder = common.run_folder(arguments.run)
    options = {name: getattr(arguments, name) for name in ("out", "license", "private")}
    print(f"{folder} is shared as {card.push(folder, arguments.name, **options)}")
    return 0


@command(
    "reverie export runs/dreamer_v1-Pendulum-v1-0 --to torch",
    common.RUN,
    Argument(
        "--to", "torch: a program of torch.export (default); onnx", "KIND", choices=tuple(SUFFIX), default="torch"
    ),
    Argument("--out", "file of the program (default: agent.pt2 or agent.onnx in the run)", "FILE"),
)
def export(arguments: Namespace, _: Texts) -> int:
    """Export an agent with a policy as one program, which PyTorch or ONNX runs without Reverie."""
    folder = common.run_folder(arguments.run)
    path = Path(arguments.out or folder / f"agent{SUFFIX[arguments.to]}")
    from reverie.agents.agent import load
    from reverie.agents.export import STEPS
    from reverie.agents.export import export as write

    difference = write(load(folder, "cpu"), path, arguments.to)
    print(f"It equals the agent over {STEPS} steps, to {difference:.1g}.")
    common.print_paths({"program": path})
    return 0
