"""Weights & Biases, on its server or in files that `wandb sync` sends later."""

import io
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from reverie.runs.trackers.base import DictionaryLog, LogConfig, Shown, encoded


@dataclass(frozen=True)
class WandbConfig(LogConfig):
    """Weights & Biases. The run keeps its id, so a resumed run continues the same curves."""

    package: ClassVar[str] = "wandb"
    project: str = "reverie"
    """The project on the server."""
    entity: str | None = None
    """The user or team; none is your own default."""
    group: str | None = None
    """A name that runs share, such as that of a sweep."""
    mode: Literal["online", "offline"] = "online"
    """`offline` writes files into the run's folder, and needs neither network nor account."""

    def build(self, run: Shown) -> "Wandb":
        return Wandb(self, run)


class Wandb(DictionaryLog):
    """Implements `Tracker`. Films are sent as GIFs, because wandb would need a further package to encode them."""

    def __init__(self, config: WandbConfig, run: Shown) -> None:
        import wandb  # pyrefly: ignore

        self._module, self._run = (
            wandb,
            wandb.init(
                project=config.project,
                entity=config.entity,
                group=config.group,
                mode=config.mode,
                name=run.folder.name,
                id=run.id,
                resume="allow",
                dir=str(run.folder),
                config=dict(run.config),
                settings={"console": "off"},
            ),
        )

    def video(self, name: str, frames: np.ndarray, step: int, fps: float) -> None:
        film = io.BytesIO(encoded(frames, "GIF", fps))
        self._run.log({name: self._module.Video(film, format="gif")}, step=step)
