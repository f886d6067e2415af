"""Environments: `make` one, or `make_many`, from an `EnvConfig`.

A family is one module with `LABEL`, `matches(id)`, `ids()` and one class. Another package adds one by `env_family`.
Importing this package imports no simulator: a family loads what it needs when it is used.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from reverie.config import plugins
from reverie.envs import atari, dm_control, gymnasium, gymnasium_registry, minatar, vectorized
from reverie.envs.base import EnvConfig, Environment, Environments, Obs, Step  # noqa: F401  plug-ins import them here
from reverie.envs.vector import SerialEnvironments, WorkerEnvironments
from reverie.spaces import ActionSpace, EnvSpec, Space  # noqa: F401


class Family(Protocol):
    """The module of a family. Its label, for a list, says how to install what is missing."""

    @property
    def LABEL(self) -> str: ...

    def matches(self, env_id: str, /) -> bool: ...

    def ids(self) -> list[str]:
        """Return the ids that can be played here."""
        ...


FAMILIES: dict[Family, Callable[[EnvConfig], Environment]] = {
    dm_control: dm_control.DMCEnvironment,
    atari: atari.AtariEnvironment,
    minatar: minatar.MinAtarEnvironment,
    vectorized: vectorized.VectorEnvironment,
    gymnasium: gymnasium.GymEnvironment,
}
"""The first one that matches an id makes its environment. Gymnasium is the last: it matches every id."""


def env_family(family: Family, environment: Callable[[EnvConfig], Environment]) -> None:
    """Add a family of environments before Gymnasium's. Call it in a module that a plug-in imports."""
    last = FAMILIES.pop(gymnasium)
    FAMILIES.update({family: environment, gymnasium: last})


def make(config: EnvConfig) -> Environment:
    """Make the environment that `config.id` names. Close it when done.

    Raises UserError for an unknown id, a missing package or a wrong setting.
    """
    plugins.require_trust(config.id)
    family = _find_family(config.id)
    if family is gymnasium and not gymnasium_registry.has(config.id):
        plugins.load_installed()
        family = _find_family(config.id)
    return FAMILIES[family](config)


def require_id(env_id: str) -> None:
    """Raise UserError where no environment has this id, or its package is missing. A known id is not made."""
    plugins.trust(env_id)
    if not gymnasium_registry.has(env_id):
        plugins.load_installed()
    family = _find_family(env_id)
    known = gymnasium_registry.has(env_id) if family is gymnasium else env_id in family.ids()
    if not known:
        FAMILIES[family](EnvConfig(env_id)).close()  # it says what is wrong


def _find_family(env_id: str) -> Family:
    return next(family for family in FAMILIES if family.matches(env_id))


def make_many(config: EnvConfig) -> Environments:
    """Make `config.count` environments, each in a process of its own if `config.workers`. Close them when done."""
    plugins.require_trust(config.id)
    if vectorized.matches(config.id):
        return vectorized.VectorEnvironments(config)
    if config.workers:
        return WorkerEnvironments(config, partial(_make_in_worker, plugins.used()))
    return SerialEnvironments(config, make)


def _make_in_worker(modules: tuple[str, ...], config: EnvConfig) -> Environment:
    """`make` in another process, which first imports the plug-ins that were named in this one."""
    for module in modules:
        plugins.use(module)
    return make(config)


def list_ids() -> dict[str, list[str]]:
    """Return the ids that can be played, by the label of their family."""
    plugins.load_installed()
    return {family.LABEL: family.ids() for family in FAMILIES}
