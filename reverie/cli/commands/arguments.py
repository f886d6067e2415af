"""From arguments and settings to a config, an environment or a run's folder; and how results are printed."""

from argparse import Namespace
from dataclasses import make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reverie.errors import UserError, nearest

if TYPE_CHECKING:
    from reverie.envs.base import EnvConfig
    from reverie.runs.config import RunConfig


Texts = dict[str, str]
"""The settings that the user typed, by dotted path, as text."""


def environment(env_id: str, settings: Texts) -> "EnvConfig":
    """Build the config of the environment `env_id` with the user's settings."""
    from reverie.config.overrides import override
    from reverie.envs.base import EnvConfig

    wrapper = make_dataclass("Settings", [("env", EnvConfig)], frozen=True)
    return override(wrapper(EnvConfig(id=env_id)), settings).env


def run_config(arguments: Namespace, settings: Texts) -> "RunConfig":
    """Build the recipe's config with the user's settings.

    Where recordings are learned from, `env.NAME` means `data.env.NAME`.
    """
    from reverie.cli import names

    if "recipe" in settings:
        raise UserError("The recipe is named without an option: `reverie train RECIPE`.")
    if not arguments.use:
        names.refuse_unknown(arguments.recipe, settings)
    from reverie.config.overrides import leaves, override
    from reverie.recipes import build

    config = build(arguments.recipe, arguments.size, getattr(arguments, "env.id"))
    named = {"seed": arguments.seed, "device": arguments.device}
    texts = settings | {path: text for path, text in named.items() if text is not None}
    if "data.env.id" in leaves(config):
        texts = {f"data.{path}" if path.startswith("env.") else path: text for path, text in texts.items()}
    return override(config, texts)


def run_folder(text: str) -> Path:
    """The folder of a run. Raises `UserError` where it holds none, and names a similar one."""
    folder = Path(text)
    if (folder / "config.json").is_file():
        return folder
    beside = [str(path.parent) for path in folder.parent.glob("*/config.json")]
    hint = nearest(text, beside) or " `reverie train RECIPE` makes one."
    raise UserError(f"{folder} is not the folder of a run: it has no config.json.{hint}")


def print_paths(paths: dict[str, Path]) -> None:
    """Print the files that a command has written, one a line."""
    width = max(map(len, paths), default=0)
    for label, path in paths.items():
        print(f"  {label:<{width}}  {path}")
