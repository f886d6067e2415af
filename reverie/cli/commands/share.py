"""Commands that share a run: `push`."""

from argparse import Namespace

from reverie.cli.commands import common
from reverie.cli.parsing import Argument, Texts, command
from reverie.runs import card


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
