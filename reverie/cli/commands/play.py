"""`reverie play`: a page in the browser to play inside a trained model."""

import webbrowser
from argparse import Namespace

from reverie.cli.commands import common
from reverie.cli.commands.compute import EVALUATION_SETTINGS
from reverie.cli.parsing import Argument, Texts, command


@command(
    "reverie play runs/dreamer_v1-Pendulum-v1-0",
    common.RUN,
    Argument(
        "--port", "port of the page, 0 for any that is free (default: 8765)", "N", type=common.integer(0), default=8765
    ),
    Argument("--host", "address to listen on (default: 127.0.0.1, this machine alone)", "HOST", default="127.0.0.1"),
    Argument("--open", "open the page in a browser", action="store_true"),
    common.SEED,
    common.DEVICE,
    settings=EVALUATION_SETTINGS,
)
def play(arguments: Namespace, settings: Texts) -> int:
    """Play inside a trained model, in a browser: beside the real world, or in the dream alone."""
    folder = common.run_folder(arguments.run)
    from reverie.play.opening import open_run
    from reverie.play.server import listen, play_until_interrupted

    env, planner = common.env_and_planner(settings)
    sessions = open_run(folder, env, planner, arguments.seed, arguments.device)
    with listen(sessions, arguments.host, arguments.port) as server:
        print(f"Play at {server.address}\nCtrl-C ends it.", flush=True)
        if arguments.open:
            webbrowser.open(server.address)
        play_until_interrupted(server)
    return 0
