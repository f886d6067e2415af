"""Environments: `make` one, or `make_many`, from an `EnvConfig`.

A family is one module with `LABEL`, `matches(id)`, `ids()` and one class. Another package adds one by `env_family`.
Importing this package imports no simulator: a family loads what it needs when it is used.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from reverie.config import plugins
from reverie.envs import atari, dm_control, gymnasium, gymnasium_registry, minatar
from reverie.envs.base import EnvConfig, Environment, Environments, Obs, Step
from reverie.spaces import ActionSpace, EnvSpec, Space


class Family(Protocol):
    """What a family's module has."""

    @property
    def LABEL(self) -> str:
        """Its name for a list; of one that is not installed with the command that adds it."""
        ...

    def matches(self, env_id: str, /) -> bool:
        """Whether the id is of this family."""
        ...

    def ids(self) -> list[str]:
        """The ids that can be played here."""
        ...


FAMILIES: dict[Family, Callable[[EnvConfig], Environment]] = {
    dm_control: dm_control.DMCEnvironment,
    atari: atari.AtariEnvironment,
    minatar: minatar.MinAtarEnvironment,
    gymnasium: gymnasium.GymEnvironment,
}
"""Asked in this order; Gymnasium takes what no other family claims."""


def env_family(family: Family, environment: Callable[[EnvConfig], Environment]) -> None:
    """Add a family of environments, asked before Gymnasium's: call it in a module that a plug-in imports."""
    last = FAMILIES.pop(gymnasium)
    FAMILIES[family] = environment
    FAMILIES[gymnasium] = last


__all__ = [
    "ActionSpace",
    "EnvConfig",
    "EnvSpec",
    "Environment",
    "Environments",
    "Family",
    "Obs",
    "Space",
    "Step",
    "env_family",
    "list_ids",
    "make",
    "make_many",
]


def make(config: EnvConfig) -> Environment:
    """The environment that `config.id` names. Close it when done.

    Raises UserError for whatever the user can put right: an unknown id, a missing package, a wrong key.
    """
    family = _family(config.id)
    if family is gymnasium and not gymnasium_registry.knows(config.id):
        plugins.load_installed()
        family = _family(config.id)
    return FAMILIES[family](config)


def _family(env_id: str) -> Family:
    return next(family for family in FAMILIES if family.matches(env_id))


def make_many(config: EnvConfig) -> Environments:
    """`config.count` environments, each in a process of its own if `config.workers`. Close them when done."""
    from reverie.envs.vector import SerialEnvironments, WorkerEnvironments

    if config.workers:
        return WorkerEnvironments(config, partial(_make_with, plugins.used()))
    return SerialEnvironments(config, make)


def _make_with(modules: tuple[str, ...], config: EnvConfig) -> Environment:
    """`make` in another process, which first imports the plug-ins that were named in this one."""
    for module in modules:
        plugins.use(module)
    return make(config)


def list_ids() -> dict[str, list[str]]:
    """Family -> ids that can be played; the label of a family that is not installed says how to get it."""
    plugins.load_installed()
    return {family.LABEL: family.ids() for family in FAMILIES}
