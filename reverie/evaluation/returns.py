"""Play whole episodes with an agent as it is: mean beliefs, the mode of its policy, no exploration."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import UInt8

from reverie.agents.agent import Agent
from reverie.data.collector import Collector
from reverie.data.episodes import Episode
from reverie.envs import EnvConfig, Obs, make
from reverie.envs.vector import SerialEnvironments

EVALUATION_STREAM = 1


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
    """The film of the first episode, one frame a decision, at the environment's own size."""
    episodes: list[Episode]
    moment: Moment | None
    """None if the first episode ended before it."""


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
    config = replace(config, count=1, workers=False)
    environment = make(config)
    collector = Collector(SerialEnvironments(config, lambda _: environment), seed, EVALUATION_STREAM)
    finished: list[Episode] = []
    frames: list[np.ndarray] = []
    carry = recorded = None

    def act(obs: Obs, is_first: np.ndarray) -> np.ndarray:
        nonlocal carry, recorded
        if film and not finished:
            frames.append(environment.render())
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
    finally:
        environment.close()
    return Evaluation(
        returns=[episode.undiscounted_return for episode in finished],
        lengths_frames=[len(episode.actions) * environment.spec.repeat for episode in finished],
        frames=np.stack(frames) if film else None,
        episodes=finished,
        moment=recorded,
    )
