"""The contract of recorded data: something to learn a model from without acting, with a part held out.

*Privileged* observations, such as the simulator's true state, are recorded too. They lie in `Batch.obs`, where an
evaluation finds them, but not in `Recorded.spec`, so no model is built that sees them.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import torch

from reverie.config.choices import Choice
from reverie.data.replay import Replay
from reverie.envs.base import EnvConfig
from reverie.errors import UserError, nearest
from reverie.spaces import EnvSpec
from reverie.types import Batch

OnMessage = Callable[[str], None]
"""Takes one sentence on how far the loading is."""


class Source(Protocol):
    """Batches of sequences. The random generator is the source's own, and is saved with a run."""

    def sample(self, batch: int, length: int) -> Batch:
        """Draw `batch` sequences of `length` decisions, on the model's device."""
        ...


class Recorded(Protocol):
    """Recorded data. `spec`, all that a model sees, is there at once; `load` reads the data themselves."""

    spec: EnvSpec
    train: Replay
    test: Replay
    """The held-out part: whole episodes."""

    def load(self, report: OnMessage) -> None:
        """Fill `train` and `test`, with the same bits each time."""
        ...


class RecordedConfig(Choice):
    """The family of recorded data."""

    def environment(self) -> EnvConfig | None:
        """The environment that the data are of; None for data from elsewhere, such as a robot's."""
        return None

    @property
    def world(self) -> str:
        """What is learned about, for titles and folders."""
        raise NotImplementedError

    def build(self, folder: Path, seed: int, device: torch.device, generator: torch.Generator) -> Recorded:
        """The data for a run in `folder`; batches come to `device` and are drawn by `generator`, a host's."""
        raise NotImplementedError


def with_privileged(env: EnvConfig, privileged: tuple[str, ...]) -> EnvConfig:
    """Return the environment that is recorded, which also observes what a model shall not see."""
    if both := [name for name in privileged if name in env.observe]:
        raise UserError(f"{both[0]!r} cannot be both observed and privileged: name it in one of the two.")
    return replace(env, observe=(*env.observe, *privileged))


def model_spec(spec: EnvSpec, privileged: Iterable[str]) -> EnvSpec:
    """Return what a model sees of all that was recorded. UserError if nothing is left."""
    for name in privileged:
        if name not in spec.obs:
            raise UserError(
                f"No {name!r} was recorded that could be privileged, only {', '.join(spec.obs)}."
                f"{nearest(name, spec.obs)}"
            )
    left = {name: space for name, space in spec.obs.items() if name not in set(privileged)}
    if not left:
        raise UserError("Everything that was recorded is privileged: leave something for the model to see.")
    return replace(spec, obs=left)
