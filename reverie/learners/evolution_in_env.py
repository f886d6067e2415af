"""Evolution strategies by real episodes: every member of the population plays in the environment.

Salimans et al. 2017, Alg. 1, on the beliefs of a world model. All members play at once, one environment each, in
episodes with the same seed. It needs no reward model, at the cost of real frames.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.agents.agent import Agent
from reverie.agents.policies import Policy
from reverie.data.collector import Collector
from reverie.envs import Environments, Obs
from reverie.errors import UserError
from reverie.learners.evolution import Evolution, Population
from reverie.nn.optimizer import Optimizer
from reverie.types import ActNoise, Metrics, State

FITNESS_STREAM = 2
"""A stream of seeds apart from those of training and evaluation."""


class PopulationActor(nn.Module):
    """Implements `Actor`: the i-th member acts on the i-th belief, by its mode."""

    def __init__(self, population: Population, features: Callable[[State], Tensor]) -> None:
        super().__init__()
        self.population, self.features = population, features

    def initial(self, batch: int) -> None:
        return None

    def act(self, belief: State, actor_state: None, noise: ActNoise[None] | None) -> tuple[Tensor, None]:
        return self.population(self.features(belief), None), None

    def noise(self, batch: int, generator: torch.Generator) -> tuple[None, Tensor]:
        return None, torch.empty(batch, 0)


def real_returns(
    agent: Agent, policy: Policy, members: Float[Tensor, "P n"], environments: Environments, seed: int
) -> tuple[Float[Tensor, " P"], int]:
    """Play one episode with each member, all with the same `seed`: undiscounted returns, and frames played.

    `agent` provides the beliefs. `members` are parameters of `policy`. UserError unless each has an environment.
    """
    if environments.count != len(members):
        raise UserError(
            f"{environments.count} environments cannot play a population of {len(members)}: open as many, "
            f"`make_many(replace(config.env, count={len(members)}))`."
        )
    actor = PopulationActor(Population(policy, members), agent.model.dynamics.features)
    player = Agent(agent.config, agent.model, actor)
    collector = Collector(environments, seed, FITNESS_STREAM, alike=True)
    returns: dict[int, float] = {}
    frames, carry = 0, None

    def act(obs: Obs, is_first: np.ndarray) -> np.ndarray:
        nonlocal carry
        carry, action = player.act(carry, obs, is_first)
        return action

    while len(returns) < len(members):
        collector.step(act)
        frames += sum(played for i, played in enumerate(collector.frames) if i not in returns)
        finished = {i: episode for i, episode in enumerate(collector.episodes) if episode.finished}
        returns = {i: episode.undiscounted_return for i, episode in finished.items()} | returns  # the first counts
    return torch.tensor([returns[i] for i in range(len(members))]), frames


def update_from_episodes(
    learner: Evolution,
    agent: Agent,
    environments: Environments,
    seed: int,
    generator: torch.Generator,
    optimizer: Optimizer,
) -> tuple[Metrics, int]:
    """Take one step of `learner` by real episodes; return metrics and the frames played.

    `agent` provides the beliefs. `environments`: one for each member of the population.
    """
    epsilon = learner.perturbations(generator)
    fitness, frames = real_returns(agent, learner.policy, learner.population_parameters(epsilon), environments, seed)
    step = learner.step(fitness.to(epsilon), epsilon, optimizer)
    return {"grad_norm/actor": step["grad_norm"], "real/return": fitness.mean()}, frames
