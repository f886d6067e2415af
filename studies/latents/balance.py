"""How far a model's scores can be trusted where a pole is balanced: plans scored by the model and by the truth.

A planner in the true simulator balances Pendulum's pole while noise disturbs it. From moments near the top, sequences
of actions lead up, down or nowhere, and the true return of each is known. Whoever plans needs the model to order them.
"""

from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from reverie import tree
from reverie.data.collector import Collector
from reverie.data.replay import Replay, ReplayConfig
from reverie.envs import EnvConfig, Obs, make_many
from reverie.evaluate.returns import EVALUATION_STREAM
from reverie.models.world_model import WorldModel
from reverie.planning.actor import score_of
from reverie.planning.objectives import RewardSumConfig
from reverie.types import Batch
from studies.dynamics.run import CONTEXT
from studies.planners.trials import planning
from studies.planners.true_pendulum import true_agent

DISTURBANCE = 0.5
"""Standard deviation of the noise added to the planner's actions."""
TOP = (0.5, 2.0)
"""What counts as near the top: radians from upright, rad/s."""
CANDIDATES, HORIZON = 64, 12


@dataclass(frozen=True)
class Trust:
    """`order`: correlation, at a moment, of the candidates' predicted returns with the true ones; mean over moments.

    `excess`: by how much the predicted return is above the true one, in the environment's unit; mean over candidates
    and moments. Above 0 near the top: the imagined pole stays up where the real one falls.
    """

    order: float
    excess: float


def balanced(env: EnvConfig, episodes: int, seed: int) -> Batch:
    """Whole episodes of E environments side by side, (E, T, ...); `state` (cos, sin, rad/s) beside what is seen."""
    env = replace(env, observe=(*env.observe, "state"), count=episodes, workers=False)
    agent, generator, carry = true_agent(env), torch.Generator().manual_seed(seed), None

    def act(obs: Obs, is_first: np.ndarray) -> np.ndarray:
        nonlocal carry
        carry, action = agent.act(carry, obs, is_first)
        disturbed = action + DISTURBANCE * torch.randn(action.shape, generator=generator).numpy()
        return disturbed.clip(-1, 1).astype(np.float32)

    with closing(make_many(env)) as environments:
        collector, finished = Collector(environments, seed, EVALUATION_STREAM), []
        while len(finished) < episodes:
            finished += collector.step(act)
    length = len(finished[0].steps)
    replay = Replay(ReplayConfig(episodes * length), environments.spec, torch.device("cpu"), generator)
    for episode in finished:
        replay.add({name: torch.from_numpy(column) for name, column in episode.columns().items()})
    return replay.sequential(length, episodes)


@torch.no_grad()
def trust(model: WorldModel, seen: Batch, env: EnvConfig, futures: int, moments: int, seed: int) -> Trust:
    """Of plans from `moments` of `seen` near the top; `futures` as in `PlanningConfig`, 0 the mean or likeliest one."""
    posterior = model.trace(seen, None).posterior
    generator = torch.Generator().manual_seed(seed)
    where = near_the_top(seen)
    where = where[torch.randperm(len(where), generator=generator)[:moments]]
    action = candidates(len(where), generator)
    noise = model.dynamics.noise(len(where), futures, HORIZON, generator=generator) if futures else None
    score = score_of(model, RewardSumConfig().build(model, None))
    belief = tree.map(lambda x: x.flatten(0, 1)[where], posterior)
    predicted = model.to_env_units(score(belief, noise)(action))
    came = true_returns(seen.obs["state"].flatten(0, 1)[where], action, env)
    return Trust(float(correlation(predicted, came).mean()), float((predicted - came).mean()))


def near_the_top(seen: Batch) -> Int[Tensor, " M"]:
    """Indices of columns, all episodes end to end, that are near the top and have a past."""
    cos, sin, speed = seen.obs["state"].unbind(-1)
    near = (torch.atan2(sin, cos).abs() < TOP[0]) & (speed.abs() < TOP[1])
    near[:, : CONTEXT["pendulum"]] = False
    return near.flatten().nonzero()[:, 0]


def candidates(moments: int, generator: torch.Generator) -> Float[Tensor, "M N H 1"]:
    """Sequences that push one way, more or less, and tremble: what a planner has to tell apart there."""
    push = 0.6 * torch.randn(moments, CANDIDATES, 1, 1, generator=generator)
    tremble = 0.4 * torch.randn(moments, CANDIDATES, HORIZON, 1, generator=generator)
    return (push + tremble).clamp(-1, 1)


def true_returns(state: Float[Tensor, "M 3"], action: Float[Tensor, "M N H 1"], env: EnvConfig) -> Float[Tensor, "M N"]:
    """Undiscounted, over the horizon."""
    truth = true_agent(env)
    world = truth.model.dynamics
    return planning(truth).score(world.correct(world.initial(len(state)), state, None))(action)


def correlation(one: Float[Tensor, "M N"], other: Float[Tensor, "M N"]) -> Float[Tensor, " M"]:
    """Of each row; 0 where one of the two does not vary."""
    one, other = (x - x.mean(1, keepdim=True) for x in (one, other))
    size = one.norm(dim=1) * other.norm(dim=1)
    return torch.where(size > 0, (one * other).sum(1) / size.clamp(min=1e-12), 0.0)
