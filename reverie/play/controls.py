"""What the actions of an environment mean to a person: names, directions, and a gesture where there is one."""

from typing import Any

from reverie.spaces import ActionSpace

NAMES: dict[str, tuple[str, ...]] = {
    "Acrobot-v1": ("left", "nothing", "right"),
    "CartPole-v0": ("left", "right"),
    "CartPole-v1": ("left", "right"),
    "LunarLander-v3": ("nothing", "left engine", "main engine, up", "right engine"),
    "MountainCar-v0": ("left", "nothing", "right"),
    "MountainCarContinuous-v0": ("push",),
    "Pendulum-v1": ("torque",),
    "reverie/Cloth-v0": ("row", "column", "drag right", "drag up", "lift"),
    "reverie/Fork-v0": ("wait, nothing", "go, right"),
    "reverie/Rope-v0": ("row", "column", "drag right", "drag up"),
}
"""Actions by environment, where the environment itself does not say them."""
DRAG = {"reverie/Rope-v0": 8.0, "reverie/Cloth-v0": 6.0}
"""Environments whose action begins with (row, column) and a displacement. Widths of the picture times this are 1."""
DIRECTIONS = ("left", "right", "up", "down", "fire")
IDLE = ("nothing", "noop", "wait")


def action_names(env_id: str, environment: Any, space: ActionSpace) -> list[str]:
    """Return a name for each number or choice: the environment's own, a known one, or its number."""
    own: tuple[str, ...] = NAMES.get(env_id, ())
    inner = getattr(environment, "unwrapped", None)
    if space.discrete and hasattr(inner, "get_action_meanings"):
        own = tuple(str(name).lower() for name in inner.get_action_meanings())
    if len(own) == space.size:
        return list(own)
    return [f"{'choice' if space.discrete else 'action'} {index + 1}" for index in range(space.size)]


def directions(name: str) -> list[str] | None:
    """Return the keys that mean a choice: some of `DIRECTIONS`, an empty list for idling, None if its name has none."""
    found = [direction for direction in DIRECTIONS if direction in name]
    if not found and not any(word in name for word in IDLE):
        return None
    return found


def describe(env_id: str, environment: Any, space: ActionSpace) -> dict[str, Any]:
    """Return what a page needs to turn keys, sliders and drags into actions."""
    names = action_names(env_id, environment, space)
    drag = DRAG.get(env_id) if not space.discrete and space.size >= 4 else None
    keys = [directions(name) if space.discrete else None for name in names]
    return {"size": space.size, "discrete": space.discrete, "names": names, "keys": keys, "drag": drag}
