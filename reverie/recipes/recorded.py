"""`--data`: a recipe of an agent that learns from recordings alone, and plays no environment.

World model and behavior stay those of the recipe, and so does the number of updates. The settings are those for the
environment that was recorded, where it is known: the recordings name it, or `--env.id` does. Otherwise they are those
for any environment.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from reverie.config.overrides import leaves, override
from reverie.data.base import RecordedConfig
from reverie.data.interaction import InteractionConfig
from reverie.errors import UserError
from reverie.recipes.presets import interaction, offline_budget
from reverie.runs.config import OfflineConfig, OnlineConfig
from reverie.runs.online import updates_after

UNKNOWN = "recordings"
"""Stands for the id of an unknown environment."""


@dataclass(frozen=True)
class _Settings:
    """A parent for the data, so that messages name them `data.X`."""

    data: RecordedConfig


def world_of(data: RecordedConfig, env_id: str | None) -> str:
    """Return the id of the environment whose settings fit the data: `env_id`, if any, or what they name, if known."""
    env = data.environment()
    return env_id or (UNKNOWN if env is None else env.id)


def on_recordings(online: OnlineConfig, data: RecordedConfig | None = None) -> OfflineConfig:
    """Return the run that learns from recorded data what `online` learns by playing. None is random interaction."""
    training = online.training
    updates = updates_after(training, max(0, training.frames - training.prefill) // online.env.repeat)
    budget = offline_budget(online.size, updates, training.batch, training.length)
    return OfflineConfig(
        online.recipe,
        online.size,
        data=data or interaction(online.size, replace(online.env, count=1, workers=False)),
        model=online.model,
        training=replace(budget, cooldown=training.cooldown),
        behavior=online.behavior,
    )


def configure(
    build: Callable[[str | None], OnlineConfig], env_id: str | None, settings: Mapping[str, str], prefix: str
) -> OfflineConfig:
    """Return the run on the recordings that `settings` choose, before the other settings are made.

    `build` makes the recipe's config from an environment's id, or None for its own. Images have the size that it has
    there. UserError for a setting that only a run in an environment has.
    """
    own = {path: text for path, text in settings.items() if path.split(".")[0] == "data"}
    env_id = env_id or settings.get("data.env.id")
    data = override(_Settings(on_recordings(build(env_id)).data), own, prefix).data
    base = build(world_of(data, env_id))
    if hasattr(data, "image_size") and "data.image_size" not in settings:
        data = replace(data, image_size=base.env.image_size)  # pyrefly: ignore
    config = on_recordings(base, data)
    for path in sorted((leaves(base).keys() - leaves(config).keys()) & settings.keys()):
        if not (path.startswith("env.") and isinstance(data, InteractionConfig)):
            raise UserError(
                f"`{prefix}{path}` is for a run that plays an environment, and {prefix}data makes it learn from "
                f"recordings alone: leave it out. {prefix}training.updates is the budget."
            )
    return config
