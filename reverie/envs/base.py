"""The environment contract: what an agent may rely on in any environment.

Every family (Gymnasium, DeepMind Control, ...) is one file with one `Environment`, in one normal form:

- Observations are a dict of arrays: images are uint8 `(height, width, channels)`, vectors are float32 `(n,)`.
- Actions are float32 `(A,)`: in [-1, 1], scaled by the adapter to the real bounds, or one-hot if discrete.
- One `step` is one *decision* of the agent: `repeat` *frames* of the environment, their rewards summed, drawn once.
- `is_last` marks the end of an episode. `is_terminal` means that no return follows, unlike at a time limit.
- `reset(seed)` makes the episode reproducible: same seed and actions, same bits, whatever came before.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from reverie.config.checks import MAY_CHANGE, Checked, at_least, between
from reverie.spaces import EnvSpec

Obs = dict[str, np.ndarray]


@dataclass(frozen=True)
class EnvConfig(Checked):
    """Which environment, what the agent observes of it, and how it is played."""

    id: str = "Pendulum-v1"
    """A Gymnasium id, or one of another family, such as `dm_control/cartpole-swingup-v0`; `reverie envs` lists them."""
    observe: tuple[str, ...] = ("pixels",)
    """Observations of the agent: `pixels` (the rendered frame), `state` (a Box observation, image or vector),
    a key of a dict observation, or `all` (everything the environment itself observes)."""
    image_size: int = field(default=64, metadata=at_least(1))
    """Height and width, in pixels, to which every image is resized by area interpolation."""
    repeat: int = field(default=1, metadata=at_least(1))
    """Environment frames for which each decision is held."""
    time_limit: int | None = field(default=None, metadata=at_least(1))
    """Frames after which an episode is cut (truncated, not terminal). None keeps the environment's own."""
    rendering: Literal["stock", "fast"] = "stock"
    """`stock`: pixels as the environment draws them. `fast` (DeepMind Control only): no shadows, no reflections,
    coarse round bodies. Some twenty times as fast without a GPU."""
    camera: int | None = field(default=None, metadata=at_least(-1))
    """Camera number (DeepMind Control only). None takes the published one for the task."""
    kwargs: tuple[str, ...] = ()
    """`name=value` for the constructor of a Gymnasium environment: `goal=flat,randomize=step`."""
    count: int = field(default=1, metadata=between(1, 1024))
    """Number of environments that are played at once."""
    workers: bool = field(default=False, metadata=MAY_CHANGE)
    """Play each environment in a process of its own, restarted when it dies; else in turn in this process."""


@dataclass(frozen=True)
class Step:
    """The outcome of one decision, or of a reset: one column of an episode."""

    obs: Obs
    reward: float
    is_first: bool
    is_last: bool
    is_terminal: bool
    frames: int | None = None
    """Environment frames that the decision took: fewer than `repeat` where the episode ended. None means `repeat`."""


@runtime_checkable
class Environment(Protocol):
    """One environment. `reverie check-env ID` checks what each method must do, and reports it in words.

    An environment in which most actions lead nowhere may also have `sample_actions` (see `SampleActions`).
    """

    @property
    def spec(self) -> EnvSpec: ...

    def reset(self, seed: int) -> Step: ...

    def step(self, action: np.ndarray) -> Step:
        """Play one decision. `action` is float32 (A,) in the normal form. After `is_last` it is an error."""
        ...

    def render(self) -> np.ndarray:
        """Draw the present frame for videos, uint8 (height, width, 3), at the environment's own size."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Environments(Protocol):
    """Several environments of one config, addressed by index.

    `None` for a step means that its worker died. The environment has then been restarted and waits for `reset`; its
    unfinished episode is lost.
    """

    @property
    def spec(self) -> EnvSpec: ...

    @property
    def count(self) -> int: ...

    def reset(self, seeds: dict[int, int]) -> dict[int, Step]:
        """Start an episode in each environment named: index -> seed.

        An environment that begins its own episodes may have no step here. Its first one then comes from the next
        `step`, which ignores its action.
        """
        ...

    def step(self, actions: dict[int, np.ndarray]) -> dict[int, Step | None]:
        """Play one decision in each environment named: `send`, then `receive`."""
        ...

    def send(self, actions: dict[int, np.ndarray]) -> None:
        """Begin to play these actions. Environments in processes of their own play them from now on."""
        ...

    def receive(self) -> dict[int, Step | None]:
        """Return the outcome of what was sent, once."""
        ...

    def render(self, index: int) -> np.ndarray | None:
        """Draw the present frame of one environment. None means that its worker died."""
        ...

    def close(self) -> None: ...


SampleActions = Callable[[int, int], np.ndarray]
"""Optional `sample_actions(count, seed)` of an environment: random actions worth trying in the present state.

Returns float32 (count, A) in the normal form. The same state and seed give the same bits, and the state stays as it
is. Outside an episode it is an error.
"""
SampleManyActions = Callable[[int, dict[int, int]], dict[int, np.ndarray | None]]
"""Optional `sample_actions(count, seeds)` of `Environments`: (count, A) from each one named, index -> seed.

None means that its worker died; the next step of that environment is None as well.
"""


def own_sampler(environment: Environment) -> SampleActions | None:
    """Return the environment's `sample_actions`, or None where any action is worth trying."""
    return getattr(environment, "sample_actions", None)


def own_samplers(environments: Environments) -> SampleManyActions | None:
    """Return `sample_actions` of several environments, or None where any action is worth trying."""
    return getattr(environments, "sample_actions", None)
