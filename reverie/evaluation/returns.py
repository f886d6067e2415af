"""Play whole episodes with an agent as it is: mean or sampled beliefs, the mode of its policy, no exploration."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from reverie.agents.agent import Agent
from reverie.data.collector import Collector
from reverie.data.episodes import Episode
from reverie.envs import EnvConfig, Environments, Obs, make_many
from reverie.errors import UserError
from reverie.evaluation.films import Film
from reverie.planning.actor import PlanningActor

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
    film: Film | None = None,
    moment: int | None = None,
    on_decision: Callable[[int], None] | None = None,
    sampled: bool = False,
    until: float | None = None,
) -> Evaluation:
    """Play `episodes` episodes in an environment of their own. The same seed gives the same episodes.

    - `film`: gets a frame for each decision of the first episode.
    - `moment`: record the input of this decision (from 0) of the first episode.
    - `on_decision`: called before every decision with the number of finished episodes.
    - `sampled`: sample beliefs, and give a planner new noise at every decision, as `EvaluationConfig.sampled` says.
    - `until`: a moment of `time.monotonic`. After the first episode none begins that would end later, if it were as
      long as the longest so far.
    """
    environments = make_many(replace(config, count=1))
    collector = Collector(environments, seed, EVALUATION_STREAM)
    finished: list[Episode] = []
    camera = None if film is None else _Camera(film)
    generator = torch.Generator(next(agent.parameters()).device).manual_seed(seed)
    carry = recorded = None
    began, slowest = time.monotonic(), 0.0

    def act(obs: Obs, is_first: np.ndarray) -> np.ndarray:
        nonlocal carry, recorded
        if camera is not None and not finished:
            camera.shoot(environments, begins=bool(is_first[0]))
        memory = agent.actor.initial(1) if carry is None else carry.actor_state
        noise = agent.noise(1, generator, explore=False) if sampled else None
        if noise is not None and not isinstance(agent.actor, PlanningActor):
            noise = replace(noise, actor=None)  # a policy acts by its mode
        carry, action = agent.act(carry, obs, is_first, noise)
        if moment is not None and not finished and len(collector.episodes[0].actions) == moment:
            recorded = Moment(moment, carry.belief, memory)
        return action

    try:
        while len(finished) < episodes:
            if on_decision is not None:
                on_decision(len(finished))
            ended = collector.step(act)
            finished += ended
            if ended and until is not None:
                now = time.monotonic()
                began, slowest = now, max(slowest, now - began)
                if now + slowest > until:
                    break
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
        episodes=finished,
        moment=recorded,
        film_problem=camera.problem if camera is not None else None,
    )


class _Camera:
    """Films the first episode. A render that fails, or changes its size, costs the film alone."""

    def __init__(self, film: Film) -> None:
        self.film = film
        self.shape: tuple[int, ...] | None = None
        self.problem: str | None = None

    def shoot(self, environments: Environments, begins: bool) -> None:
        """Add the present frame to the film, unless drawing has failed."""
        if begins:  # the first episode, or its replacement where a worker died
            self.film.close()
            self.shape = None
        if self.problem is not None:
            return
        try:
            frame = environments.render(0)
            if frame is None:
                return
            if self.shape not in (None, frame.shape):
                raise ValueError(f"the size of a frame changed from {self.shape} to {frame.shape}")
            self.shape = frame.shape
            self.film.add(frame)
        except Exception as error:
            self.problem = str(error)
            self.film.close()
