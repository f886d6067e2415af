"""What one planner achieves in one model: returns of whole episodes, promises that are put to the test, time.

A planner knows no model and an agent no simulator, so learned and true models are tried by the same functions.
"""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reverie import tree
from reverie.agents.actors import ActNoise
from reverie.agents.agent import Agent, Carry
from reverie.data.collector import Collector
from reverie.data.episodes import Episode
from reverie.envs import EnvConfig, Obs, make_many
from reverie.evaluate.returns import EVALUATION_STREAM
from reverie.planning.actor import PlanningActor, PlanningConfig, ScoreOf
from reverie.planning.base import Score
from studies.planners.true_pendulum import Pendulum, PendulumState

AT_ONCE = 4096
"""Sequences that are scored in one go: of the size in which a core's cache serves best (46 us each; 70 at 10,000)."""
LEAD = 1
"""Decisions before a moment at which its plan begins, for the sake of warm starts."""


def with_planner(agent: Agent, config: PlanningConfig) -> Agent:
    """The same model behind another planner."""
    actor = PlanningActor(config, agent.model, agent.config.spec.action)
    actor.score = in_parts(actor.score)
    return Agent(replace(agent.config, actor=config), agent.model, actor).eval()


def planning(agent: Agent) -> PlanningActor:
    """The agent's actor, which plans."""
    assert isinstance(agent.actor, PlanningActor)
    return agent.actor


def in_parts(score_of: ScoreOf) -> ScoreOf:
    """The same scores, for at most `AT_ONCE` sequences at once."""

    def from_belief(belief: Any, futures: Tensor | None = None, /) -> Score:
        score = score_of(belief, futures)

        def parts(action: Float[Tensor, "B N H A"]) -> Float[Tensor, "B N"]:
            most = max(1, AT_ONCE // action.shape[0])
            return torch.cat([score(part) for part in action.split(most, dim=1)], dim=1)

        return parts

    return from_belief


def play(agent: Agent, env: EnvConfig, episodes: int, seed: int) -> tuple[list[Episode], list[Carry]]:
    """Episodes side by side, and what the agent remembered at each decision.

    Mean beliefs and no exploration; the search draws fresh noise for each episode and decision.
    The same seed gives the same beginnings, whatever the planner.
    """
    environments = make_many(replace(env, count=episodes, workers=False))
    generator = torch.Generator().manual_seed(seed)
    finished: list[Episode] = []
    carries: list[Carry] = []

    def act(obs: Obs, is_first: np.ndarray) -> np.ndarray:
        carry, action = agent.act(
            carries[-1] if carries else None, obs, is_first, searching(agent, episodes, generator)
        )
        carries.append(carry)
        return action

    try:
        collector = Collector(environments, seed, EVALUATION_STREAM)
        while len(finished) < episodes:
            finished += collector.step(act)
    finally:
        environments.close()
    return finished, carries


def searching(agent: Agent, batch: int, generator: torch.Generator) -> ActNoise:
    """The noise of a decision that samples nothing but the search's candidates."""
    return ActNoise(None, agent.actor.noise(batch, generator)[0], None)


@dataclass(frozen=True)
class Moments:
    """M moments: the agent's beliefs at each and at the `LEAD` decisions before it (the moment last); the truth."""

    beliefs: list[Any]
    truth: PendulumState


def moments_of(episodes: list[Episode], carries: list[Carry], decisions: tuple[int, ...]) -> Moments:
    """Those decisions of each episode; the agent must have been shown `state` or the world drawn beside it."""

    def at(lag: int) -> Any:
        first, *others = (carries[t - lag].belief for t in decisions)
        return tree.map(lambda *parts: torch.cat(parts), first, *others)

    state = torch.from_numpy(np.stack([e.steps[t].obs["state"] for t in decisions for e in episodes]))
    world = Pendulum(1)
    return Moments([at(lag) for lag in range(LEAD, -1, -1)], world.correct(world.initial(len(state)), state, None))


@dataclass(frozen=True)
class Promise:
    """Return over the horizon, in the environment's unit: `predicted` by the model for the plan, what `came` of its
    open-loop execution in the true simulator, and the standard error of their difference; means over moments."""

    predicted: float
    came: float
    error: float

    @property
    def excess(self) -> float:
        """What was predicted and did not come."""
        return self.predicted - self.came


def promise(predicted: Float[Tensor, " M"], came: Float[Tensor, " M"]) -> Promise:
    """Means, and the standard error by moments."""
    error = (predicted - came).std() / len(came) ** 0.5
    return Promise(float(predicted.mean()), float(came.mean()), float(error))


@torch.no_grad()
def planned_promise(agent: Agent, truth: Agent, moments: Moments, seed: int) -> Promise:
    """Plan at each moment, believe the model, then execute the plan."""
    actor, generator = planning(agent), torch.Generator().manual_seed(seed)
    count = len(moments.truth.theta)
    memory = actor.initial(count)
    action = memory.action
    for belief in moments.beliefs:
        action, memory = actor.act(belief, memory, searching(agent, count, generator))
    # The plan's best sequence: its first action was given out, the others were moved up.
    plan = torch.cat([action[:, None], memory.elites[:, 0, :-1]], dim=1)
    return compared(agent, truth, moments, plan[:, None])


@torch.no_grad()
def random_promise(agent: Agent, truth: Agent, moments: Moments, horizon: int, seed: int, count: int = 64) -> Promise:
    """The same for uniformly random sequences, among which nobody chose: the model's error without exploitation."""
    size = (len(moments.truth.theta), count, horizon, agent.config.spec.action.size)
    return compared(agent, truth, moments, 2 * torch.rand(size, generator=torch.Generator().manual_seed(seed)) - 1)


def compared(agent: Agent, truth: Agent, moments: Moments, action: Float[Tensor, "M N H A"]) -> Promise:
    """What the model says of the sequences beside what they do."""
    predicted = agent.model.to_env_units(planning(agent).score(moments.beliefs[-1])(action))
    return promise(predicted.mean(1), planning(truth).score(moments.truth)(action).mean(1))


def milliseconds(agents: Mapping[str, Agent], obs: Obs, rounds: int) -> dict[str, float]:
    """Median wall time of one decision for one observation, on one thread; all in turns, after a first that is free."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        taken: dict[str, list[float]] = {name: [] for name in agents}
        for turn in range(rounds + 1):
            for name, agent in agents.items():
                began = time.perf_counter()
                agent.act(None, obs)
                if turn:
                    taken[name].append(1e3 * (time.perf_counter() - began))
    finally:
        torch.set_num_threads(threads)
    return {name: statistics.median(times) for name, times in taken.items()}
