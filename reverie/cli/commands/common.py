"""What several commands take: arguments, settings, and the configs and folders that they mean."""

import re
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reverie.cli import names
from reverie.cli.parsing import Argument, Settings, Texts
from reverie.config import hub
from reverie.errors import UserError, nearest

if TYPE_CHECKING:
    from reverie.envs.base import EnvConfig
    from reverie.recipes.sizing import Choice


def integer(least: int) -> Callable[[str], int]:
    """Return the parser of a whole number that is at least `least`."""

    def parse(text: str) -> int:
        if text.isdecimal() and len(text) < 16 and int(text) >= least:
            return int(text)
        raise ArgumentTypeError(f"it must be a whole number, at least {least}, but `{text}` was given")

    return parse


def time_budget(text: str) -> str:
    """Return the setting `training.minutes` that a time such as `1h30m`, or `none`, means."""
    found = re.fullmatch(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", text.lower())
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    if text.lower() == "none":
        return "none"
    if total := 60 * hours + minutes + seconds / 60:
        return str(total)
    raise ArgumentTypeError(f"it must be a time such as 90s, 20m or 1h30m, but `{text}` was given")


COUNT = integer(1)
TIME_BUDGET = Argument(
    "--time-budget",
    "wall time for all, final evaluation too: 90s, 20m, 1h30m (default: none)",
    "TIME",
    type=time_budget,
)
RECIPE = Argument("RECIPE", "name that `reverie recipes` lists")
RUN = Argument("RUN", "folder of a run, or hf:user/name on the Hub")
ENV = Argument("ID", "environment that `reverie envs` lists")
SEED = Argument("--seed", "seed of the episodes (default: 0)", "N", type=integer(0), default=0)
DEVICE = Argument("--device", "auto, cpu or cuda (default: auto)", "NAME", default="auto")
CONFIG = (
    Argument("--env.id", "environment that `reverie envs` lists (default: the recipe's own)", "ID"),
    Argument(
        "--size", "auto, or one that `reverie show RECIPE` lists: laptop, ... (default: auto)", "SIZE", default="auto"
    ),
    Argument("--seed", "seed of everything random in the run (default: 0)", "N"),
    TIME_BUDGET,
    Argument("--device", "auto, cpu or cuda (default: auto)", "NAME"),
)

CONFIG_SETTINGS = Settings(
    "Every other setting has an option, its dotted path. `reverie show RECIPE` lists them.\n"
    "  --threads 2                  a number\n"
    "  --env.observe pixels,state   a list\n"
    "  --env.time_limit none        nothing\n"
    "  --env.workers true           yes or no\n"
    "  --data Arrays                learn from recordings alone, here those of --data.file mine.npz\n"
    "  --log tensorboard,wandb      parts by name; trackio is another tracker\n"
    "For a recipe that learns from recordings, --env.NAME means --data.env.NAME."
)
ENV_SETTINGS = Settings(
    "Settings of the environment:\n"
    "  --env.observe pixels,state   observations (default: pixels)\n"
    "  --env.time_limit 50          frames in a trajectory (default: the environment's own)\n"
    "  --env.image_size 64          height and width of images\n"
    "  --env.repeat 2               frames of each action; also --env.rendering, --env.camera",
    ("env",),
)


def environment(env_id: str, settings: Texts) -> "EnvConfig":
    """Return the config of the environment `env_id` with the user's settings."""
    from reverie.config.overrides import override
    from reverie.envs.base import EnvConfig

    holder = make_dataclass("Settings", [("env", EnvConfig)], frozen=True)
    return override(holder(EnvConfig(id=env_id)), settings, prefix="--").env


def run_config(arguments: Namespace, settings: Texts, timed: bool = False) -> "Choice":
    """Return the recipe's config with the user's settings, of the size that fits if none is named.

    `timed`: measure how long such a run takes, and say it.
    """
    if "recipe" in settings:
        raise UserError("The recipe is named without an option: `reverie train RECIPE`.")
    named = {"seed": arguments.seed, "device": arguments.device, "training.minutes": arguments.time_budget}
    texts = settings | {path: text for path, text in named.items() if text is not None}
    if not arguments.use:
        names.refuse_wrong(arguments.recipe, texts)
    from reverie import recipes
    from reverie.recipes.sizing import Choice
    from reverie.runs.folder import check_new

    if timed and arguments.run is not None:
        check_new(Path(arguments.run))  # before anything is measured
    name, size, env_id = arguments.recipe, arguments.size, getattr(arguments, "env.id")
    if size == "auto":
        return recipes.choose(name, env_id, texts, "--", timed)
    return Choice(recipes.configure(name, size, env_id, texts, "--"))


def run_folder(text: str) -> Path:
    """Return the folder of a run; `hf:user/name` is copied into `runs/` first.

    Raise `UserError` where it holds none, with a similar one that does.
    """
    folder = hub.local(text, copy=True)
    if (folder / "config.json").is_file():
        return folder
    beside = [str(path.parent) for path in folder.parent.glob("*/config.json")]
    hint = nearest(text, beside) or " `reverie train RECIPE` makes one."
    raise UserError(f"{folder} is not the folder of a run: it has no config.json.{hint}")


def env_and_planner(settings: Texts) -> tuple[Texts | None, Texts | None]:
    """Return the settings of the environment, without `env.`, and those of the planner; None where there are none."""
    env = {path.removeprefix("env."): text for path, text in settings.items() if path.startswith("env.")}
    return env or None, {path: text for path, text in settings.items() if not path.startswith("env.")} or None


def print_paths(paths: dict[str, Path]) -> None:
    """Print the files that a command has written, one a line."""
    width = max(map(len, paths), default=0)
    for label, path in paths.items():
        print(f"  {label:<{width}}  {path}")
