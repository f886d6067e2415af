"""What was named and typed, as a config, an environment or a run's folder; and how results are printed."""

from argparse import Namespace
from dataclasses import make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reverie.errors import UserError, nearest

if TYPE_CHECKING:
    from reverie.envs.base import EnvConfig
    from reverie.runs.config import RunConfig


Texts = dict[str, str]
"""What the user typed for settings of the config, by dotted path."""


def environment(env_id: str, settings: Texts) -> "EnvConfig":
    """The environment that was named, with its settings that were typed."""
    from reverie.config.overrides import override
    from reverie.envs.base import EnvConfig

    wrapper = make_dataclass("Settings", [("env", EnvConfig)], frozen=True)
    return override(wrapper(EnvConfig(id=env_id)), settings).env


def built(arguments: Namespace, settings: Texts) -> "RunConfig":
    """The recipe's config with the settings that were typed."""
    from reverie.config.overrides import override
    from reverie.recipes import build

    if "recipe" in settings:
        raise UserError("The recipe is named without an option: `reverie train RECIPE`.")
    named = {"seed": arguments.seed, "device": arguments.device}
    texts = settings | {path: text for path, text in named.items() if text is not None}
    return override(build(arguments.recipe, arguments.size, getattr(arguments, "env.id")), texts)


def run_folder(text: str) -> Path:
    folder = Path(text)
    if (folder / "config.json").is_file():
        return folder
    beside = [str(path.parent) for path in folder.parent.glob("*/config.json")]
    hint = nearest(text, beside) or " `reverie train RECIPE` makes one."
    raise UserError(f"{folder} is not the folder of a run: it has no config.json.{hint}")


def print_paths(paths: dict[str, Path]) -> None:
    width = max(map(len, paths), default=0)
    for what, path in paths.items():
        print(f"  {what:<{width}}  {path}")
