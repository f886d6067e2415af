"""Environments: `make` one, or `make_many`, from an `EnvConfig`.

A family is one module with `LABEL`, `matches(id)`, `ids()` and one class; adding one is that file and a line
in `FAMILIES`. Importing this package imports no simulator: a family loads what it needs when it is used.
"""

from reverie.envs import atari, dm_control, gymnasium, minatar
from reverie.envs.base import EnvConfig, Environment, Environments, Obs, Step
from reverie.spaces import ActionSpace, EnvSpec, Space

FAMILIES = {
    dm_control: dm_control.DMCEnvironment,
    atari: atari.AtariEnvironment,
    minatar: minatar.MinAtarEnvironment,
    gymnasium: gymnasium.GymEnvironment,
}
"""Asked in this order; Gymnasium takes what no other family claims."""

__all__ = [
    "ActionSpace",
    "EnvConfig",
    "EnvSpec",
    "Environment",
    "Environments",
    "Obs",
    "Space",
    "Step",
    "list_ids",
    "make",
    "make_many",
]


def make(config: EnvConfig) -> Environment:
    """The environment that `config.id` names. Close it when done.

    Raises UserError for whatever the user can put right: an unknown id, a missing package, a wrong key.
    """
    return next(environment(config) for family, environment in FAMILIES.items() if family.matches(config.id))


def make_many(config: EnvConfig) -> Environments:
    """`config.count` environments, each in a process of its own if `config.workers`. Close them when done."""
    from reverie.envs.vector import SerialEnvironments, WorkerEnvironments

    return WorkerEnvironments(config, make) if config.workers else SerialEnvironments(config, make)


def list_ids() -> dict[str, list[str]]:
    """Family -> ids that can be played; the label of a family that is not installed says how to get it."""
    return {family.LABEL: family.ids() for family in FAMILIES}
