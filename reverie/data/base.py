"""The contract of recorded data: something to learn a model from without acting, with a part held out.

What is *privileged* (the simulator's true state, say) is recorded too and lies in `Batch.obs` for whoever judges a
model, but is no part of `Recorded.spec`, so that no model is built that sees it.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from reverie.data.replay import Replay
from reverie.envs.base import EnvConfig
from reverie.errors import UserError, nearest
from reverie.spaces import EnvSpec
from reverie.types import Batch

Say = Callable[[str], None]
"""Tells the user how far something is."""


class Source(Protocol):
    """Gives batches of sequences; the randomness is its own and restorable."""

    def sample(self, batch: int, length: int) -> Batch:
        """`batch` sequences of `length` decisions, on the model's device."""
        ...


class Recorded(Protocol):
    """Known at once by its `spec`, all that a model sees; `load` brings the data themselves."""

    spec: EnvSpec
    train: Replay
    test: Replay
    """What is held out: whole episodes."""

    def load(self, say: Say) -> None:
        """Fill `train` and `test`; the same bits each time."""
        ...


def with_privileged(env: EnvConfig, privileged: tuple[str, ...]) -> EnvConfig:
    """The environment that is recorded: one which also observes what a model shall not see."""
    if both := [name for name in privileged if name in env.observe]:
        raise UserError(f"{both[0]!r} cannot be both observed and privileged: name it in one of the two.")
    return replace(env, observe=(*env.observe, *privileged))


def visible(spec: EnvSpec, privileged: Iterable[str]) -> EnvSpec:
    """What is left for a model to see of all that was recorded."""
    for name in privileged:
        if name not in spec.obs:
            known = ", ".join(spec.obs)
            raise UserError(
                f"No {name!r} was recorded that could be privileged, only {known}.{nearest(name, spec.obs)}"
            )
    left = {name: space for name, space in spec.obs.items() if name not in set(privileged)}
    if not left:
        raise UserError("Everything that was recorded is privileged: leave something for the model to see.")
    return replace(spec, obs=left)
