"""What may change in a run that has begun: the settings marked by `MAY_CHANGE`, and nothing else."""

from collections.abc import Mapping
from typing import Any

from reverie.config.checks import may_change
from reverie.config.overrides import as_text, leaves, override
from reverie.errors import UserError
from reverie.runs.config import RunConfig


def check_changes(before: RunConfig, after: RunConfig, was: str, now: str) -> None:
    """Raise UserError where the config differs in a setting that would change what was computed so far.

    `was` and `now` say where the two values stand.
    """
    old, new = leaves(before), leaves(after)
    for path in {**old, **new}:
        same = path in old and path in new and old[path] == new[path]
        if not same and not may_change(before, path) and not may_change(after, path):
            values = [as_text(each[path]) if path in each else "nothing" for each in (old, new)]
            raise UserError(
                f"`{path}` cannot change in a run that has begun ({values[0]} {was}, {values[1]} {now}): only budget, "
                "evaluation, intervals of reports, device, threads and the places of data can. Set it back, or train "
                "anew in another folder."
            )


def with_changes(config: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """Return the config of a run that is resumed with other settings. UserError for one that cannot change."""
    changed = override(config, {path: as_text(value) for path, value in settings.items()})
    check_changes(config, changed, "in the run", "here")
    return changed
