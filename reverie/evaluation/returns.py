"""Play whole episodes with an agent as it is: mean beliefs, the mode of its policy, no exploration."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reverie.agents.agent import Agent
from reverie.data.collector import Collector
from reverie.data.episodes import Episode
from reverie.envs import EnvConfig, Obs, make
from reverie.envs.vector import SerialEnvironments

EVALUATION_STREAM = 1


@dataclass(frozen=True)
class Moment:
    """What the agent decided from, `decision` decisions into the first episode, as a batch of one."""

    decision: int
    belief: Any
    """With the newest observation in it."""
    memory: Any
    """The actor's own, before it decided."""


@dataclass(frozen=True)
class Evaluation:
    """Undiscounted returns in the environment's unit, lengths in environment frames, the film of the first episode."""

    returns: list[float]
    lengths_frames: list[int]
    frames: np.ndarray | None
    """(T, height, width, 3) uint8, one a decision, at the environment's own size."""
    episodes: list[Episode]
    moment: Moment | None
    """The one asked for; None where none was, or the first episode ended before it."""


def evaluate(
    agent: Agent,
    config: EnvConfig,
    episodes: int,
    seed: int,
    film: bool = False,
    moment: int | None = None,
    on_decision: Callable[[int], None] | None = None,
) -> Evaluation:
    """`episodes` episodes in an environment of their own; the same seed gives the same episodes.

    `moment`: record what the agent decided from, that many decisions into the first episode. `on_decision` is called
    with the number of finished episodes before every decision.
    """
    config = replace(config, count=1, workers=False)
    environment = make(config)
    environments = SerialEnvironments(config, lambda _: environment)
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
        collector = Collector(environments, seed, EVALUATION_STREAM)
        while len(finished) < episodes:
            if on_decision is not None:
                on_decision(len(finished))
            finished += collector.step(act)
        repeat = environments.spec.repeat
    finally:
        environments.close()
    return Evaluation(
        returns=[episode.undiscounted_return for episode in finished],
        lengths_frames=[len(episode.actions) * repeat for episode in finished],
        frames=np.stack(frames) if film else None,
        episodes=finished,
        moment=recorded,
    )
