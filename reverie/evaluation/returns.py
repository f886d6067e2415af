"""Play whole episodes with an agent as it is: mean beliefs, the mode of its policy, no exploration."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import UInt8

from reverie.agents.agent import Agent
from reverie.data.collector import Collector
from reverie.data.episodes import Episode
from reverie.envs import EnvConfig, Environments, Obs, make_many
from reverie.errors import UserError

EVALUATION_STREAM = 1
MOST_FRAMES = 2_000
"""Frames of a film at most, which are held in memory: 80 seconds, 200 MB at the size of Atari's screen."""


@dataclass(frozen=True)
class Moment:
    """The input of one decision of the first episode, as a batch of one."""

    decision: int
    """The number of decisions before it."""
    belief: Any
    """The belief, corrected by the newest observation."""
    memory: Any
    """The actor's own state before the decision."""


@dataclass(frozen=True)
class Evaluation:
    """Undiscounted returns in the environment's unit, lengths in environment frames, and the episodes."""

    returns: list[float]
    lengths_frames: list[int]
    frames: UInt8[np.ndarray, "T h w 3"] | None
    """The film of the first episode, one frame for each of its first `MOST_FRAMES` decisions."""
    episodes: list[Episode]
    moment: Moment | None
    """The decision that was asked for."""
    film_problem: str | None = None
    """Why there is no film although one was asked for."""


def evaluate(
    agent: Agent,
    config: EnvConfig,
    episodes: int,
    seed: int,
    film: bool = False,
    moment: int | None = None,
    on_decision: Callable[[int], None] | None = None,
) -> Evaluation:
    """Play `episodes` episodes in an environment of their own. The same seed gives the same episodes.

    - `moment`: record the input of this decision (from 0) of the first episode.
    - `on_decision`: called before every decision with the number of finished episodes.
    """
    environments = make_many(replace(config, count=1))
    collector = Collector(environments, seed, EVALUATION_STREAM)
    finished: list[Episode] = []
    filming = _Film() if film else None
    carry = recorded = None

    def act(obs: Obs, is_first: np.ndarray) -> np.ndarray:
        nonlocal carry, recorded
        if filming is not None and not finished:
            filming.add(environments, begins=bool(is_first[0]))
        memory = agent.actor.initial(1) if carry is None else carry.actor_state
        carry, action = agent.act(carry, obs, is_first)
        if moment is not None and not finished and len(collector.episodes[0].actions) == moment:
            recorded = Moment(moment, carry.belief, memory)
        return action

    try:
        while len(finished) < episodes:
            if on_decision is not None:
                on_decision(len(finished))
            finished += collector.step(act)
            if finished and moment is not None and recorded is None:
                count = len(finished[0].actions)
                raise UserError(
                    f"The first episode had {count} decisions: there is no moment {moment}, take 0 to {count - 1}."
                )
    finally:
        environments.close()
    return Evaluation(
        returns=[episode.undiscounted_return for episode in finished],
        lengths_frames=[episode.frames(environments.spec.repeat) for episode in finished],
        frames=filming.stack() if filming is not None else None,
        episodes=finished,
        moment=recorded,
        film_problem=filming.problem if filming is not None else None,
    )


class _Film:
    """The frames of the first episode. A render that fails, or changes its size, costs the film alone."""

    def __init__(self) -> None:
        self.frames: list[np.ndarray] = []
        self.problem: str | None = None

    def add(self, environments: Environments, begins: bool) -> None:
        """Draw the present frame, unless drawing has failed or the film has its greatest length."""
        if begins:  # the first episode, or its replacement where a worker died
            self.frames.clear()
        if self.problem is not None or len(self.frames) >= MOST_FRAMES:
            return
        try:
            frame = environments.render(0)
        except Exception as error:
            self.problem = str(error)
            return
        if frame is not None and self.frames and frame.shape != self.frames[0].shape:
            self.problem = f"the size of a frame changed from {self.frames[0].shape} to {frame.shape}"
        elif frame is not None:
            self.frames.append(frame)

    def stack(self) -> UInt8[np.ndarray, "T h w 3"] | None:
        """Return the film, or None if drawing failed."""
        return np.stack(self.frames) if self.frames and self.problem is None else None
