"""Measurements of one planner in one model: returns of episodes, predicted against actual returns of plans, time.

The same functions measure learned models and the true simulator.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reverie import tree
from reverie.agents.agent import Agent, Carry
from reverie.data.collector import Collector
from reverie.data.episodes import Episode
from reverie.envs import EnvConfig, Obs, make_many
from reverie.evaluation.returns import EVALUATION_STREAM
from reverie.planning.actor import PlanningActor, PlanningConfig, ScoreOf
from reverie.planning.base import Score
from reverie.spaces import EnvSpec
from reverie.types import ActNoise
from studies.planners.true_pendulum import Pendulum, PendulumState

CHUNK = 4096
"""Sequences scored in one batch: fastest for a core's cache (46 us each; 70 us at 10,000)."""
LEAD = 1
"""Decisions before a moment at which planning begins, so that warm starts count."""


def with_planner(agent: Agent, config: PlanningConfig) -> Agent:
    """The same model with another planner."""
    actor = PlanningActor(config, agent.model, agent.config.spec.action)
    actor.score = in_chunks(actor.score)
    return Agent(replace(agent.config, actor=config), agent.model, actor).eval()


def planner(agent: Agent) -> PlanningActor:
    """The agent's actor, which plans."""
    assert isinstance(agent.actor, PlanningActor)
    return agent.actor


def in_chunks(score_of: ScoreOf) -> ScoreOf:
    """The same scores, computed for at most `CHUNK` sequences at a time."""

    def from_belief(belief: Any, futures: Tensor | None = None, /) -> Score:
        score = score_of(belief, futures)

        def chunked(action: Float[Tensor, "B N H A"]) -> Float[Tensor, "B N"]:
            chunks = action.split(max(1, CHUNK // action.shape[0]), dim=1)
            return torch.cat([score(chunk) for chunk in chunks], dim=1)

        return chunked

    return from_belief


def play(agent: Agent, env: EnvConfig, episodes: int, seed: int) -> tuple[list[Episode], list[Carry]]:
    """Episodes side by side, and the agent's carry at each decision.

    Mean beliefs and no exploration; the search draws fresh noise for each episode and decision.
    The same seed gives the same initial states, whatever the planner.
    """
    generator, carries = torch.Generator().manual_seed(seed), list[Carry]()

    def act(obs: Obs, is_first: np.ndarray) -> np.ndarray:
        noise = search_noise(agent, episodes, generator)
        carry, action = agent.act(carries[-1] if carries else None, obs, is_first, noise)
        carries.append(carry)
        return action

    return collect_episodes(env, episodes, seed, act)[0], carries


def collect_episodes(
    env: EnvConfig, episodes: int, seed: int, act: Callable[[Obs, np.ndarray], np.ndarray]
) -> tuple[list[Episode], EnvSpec]:
    """Return whole episodes side by side, with the initial states of evaluations, and the environments' spec."""
    finished: list[Episode] = []
    with closing(make_many(replace(env, count=episodes, workers=False))) as environments:
        collector = Collector(environments, seed, EVALUATION_STREAM)
        while len(finished) < episodes:
            finished += collector.step(act)
    return finished, environments.spec


def search_noise(agent: Agent, batch: int, generator: torch.Generator) -> ActNoise:
    """Noise of a decision that samples only the search's candidates."""
    return ActNoise(None, agent.actor.noise(batch, generator)[0], None)


@dataclass(frozen=True)
class Moments:
    """M moments: the agent's beliefs at the `LEAD` decisions before each and at it (last), and the true states."""

    beliefs: list[Any]
    truth: PendulumState


def moments_of(episodes: list[Episode], carries: list[Carry], decisions: tuple[int, ...]) -> Moments:
    """Those decisions of each episode; episodes must have the observation `state`."""

    def at(lag: int) -> Any:
        first, *others = (carries[t - lag].belief for t in decisions)
        return tree.map(lambda *parts: torch.cat(parts), first, *others)

    state = torch.from_numpy(np.stack([e.steps[t].obs["state"] for t in decisions for e in episodes]))
    simulator = Pendulum(1)
    truth = simulator.correct(simulator.initial(len(state)), state, None)
    return Moments([at(lag) for lag in range(LEAD, -1, -1)], truth)


def over_moments(predicted: Float[Tensor, " M"], actual: Float[Tensor, " M"]) -> dict[str, float]:
    """Return means over moments of returns over the horizon, in the environment's unit.

    `predicted` by the model; `actual`: executed open loop in the true simulator; `error`: the standard error of their
    difference, the `overestimation`.
    """
    means = {"predicted": float(predicted.mean()), "actual": float(actual.mean())}
    error = float((predicted - actual).std() / len(actual) ** 0.5)
    return means | {"error": error, "overestimation": means["predicted"] - means["actual"]}


@torch.no_grad()
def predicted_vs_actual(agent: Agent, truth: Agent, moments: Moments, seed: int) -> dict[str, float]:
    """Plan at each moment, then compare the model's prediction with the execution of the plan."""
    actor, generator = planner(agent), torch.Generator().manual_seed(seed)
    count = len(moments.truth.theta)
    memory = actor.initial(count)
    action = memory.action
    for belief in moments.beliefs:
        action, memory = actor.act(belief, memory, search_noise(agent, count, generator))
    # The plan's best sequence: its first action was returned, the others were shifted.
    plan = torch.cat([action[:, None], memory.elites[:, 0, :-1]], dim=1)
    return compare(agent, truth, moments, plan[:, None])


@torch.no_grad()
def random_sequences(
    agent: Agent, truth: Agent, moments: Moments, horizon: int, seed: int, count: int = 64
) -> dict[str, float]:
    """The same for uniformly random action sequences: the model's error without a search that could exploit it."""
    size = (len(moments.truth.theta), count, horizon, agent.config.spec.action.size)
    return compare(agent, truth, moments, 2 * torch.rand(size, generator=torch.Generator().manual_seed(seed)) - 1)


def compare(agent: Agent, truth: Agent, moments: Moments, action: Float[Tensor, "M N H A"]) -> dict[str, float]:
    """Predicted and actual returns of action sequences."""
    predicted = agent.model.to_env_units(planner(agent).score(moments.beliefs[-1])(action))
    return over_moments(predicted.mean(1), planner(truth).score(moments.truth)(action).mean(1))


def milliseconds(agents: Mapping[str, Agent], obs: Obs, rounds: int) -> dict[str, float]:
    """Median wall time of one decision for one observation, on one thread; agents take turns, after a warm-up."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times: dict[str, list[float]] = {name: [] for name in agents}
        for turn in range(rounds + 1):
            for name, agent in agents.items():
                start = time.perf_counter()
                agent.act(None, obs)
                if turn:
                    times[name].append(1e3 * (time.perf_counter() - start))
    finally:
        torch.set_num_threads(threads)
    return {name: statistics.median(each) for name, each in times.items()}
