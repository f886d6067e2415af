"""The contract of recorded data: a model learns from them without acting, and a part of them is held out.

*Privileged* observations, such as the simulator's true state, are recorded too. They lie in `Batch.obs` for evaluation,
but not in `Recorded.spec`, so no model sees them.
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

OnMessage = Callable[[str], None]
"""Takes one sentence on the progress of loading."""


class Recorded(Protocol):
    """Recorded data. `spec`, which is all that a model sees, is known before `load` reads the data themselves."""

    spec: EnvSpec
    train: Replay
    test: Replay
    """The held-out part, which consists of whole episodes."""

    def load(self, report: OnMessage) -> None:
        """Fill `train` and `test`, with the same bits each time."""
        ...


class RecordedConfig(Choice):
    """The family of recorded data."""

    def environment(self) -> EnvConfig | None:
        """Return the recorded environment, or None for data from elsewhere, such as a robot's."""
        return None

    @property
    def world(self) -> str:
        """The name of the recorded world, for titles and folders."""
        raise NotImplementedError

    def build(self, folder: Path, seed: int, device: torch.device, generator: torch.Generator) -> Recorded:
        """Return the data for a run in `folder`. A `generator` of the host draws batches, which come to `device`."""
        raise NotImplementedError


def with_privileged(env: EnvConfig, privileged: tuple[str, ...]) -> EnvConfig:
    """Return the environment to record, which also gives the privileged observations."""
    if both := [name for name in privileged if name in env.observe]:
        raise UserError(f"{both[0]!r} cannot be both observed and privileged: name it in one of the two.")
    return replace(env, observe=(*env.observe, *privileged))


def model_spec(spec: EnvSpec, privileged: Iterable[str]) -> EnvSpec:
    """Return the part of the recorded `spec` that a model sees. UserError if nothing is left."""
    obs = dict(spec.obs)
    for name in privileged:
        if obs.pop(name, None) is None:
            known = ", ".join(spec.obs)
            raise UserError(
                f"No {name!r} was recorded that could be privileged, only {known}.{nearest(name, spec.obs)}"
            )
    if not obs:
        raise UserError("Everything that was recorded is privileged: leave something for the model to see.")
    return replace(spec, obs=obs)
