"""How well a model ranks plans where a pole is balanced: predicted returns beside those of the true simulator.

A planner in the true simulator balances Pendulum's pole while noise disturbs it. Candidate action sequences start at
moments near the top, and the true return of each is known. A planner needs the model to put them in the right order.
"""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from reverie import tree
from reverie.data.replay import Replay, ReplayConfig
from reverie.envs import EnvConfig, Obs
from reverie.models.world_model import WorldModel
from reverie.planning.actor import score_of
from reverie.planning.objectives import RewardSumConfig
from reverie.types import Batch
from studies.dynamics.report import CONTEXT
from studies.planners.trials import collect_episodes, planner
from studies.planners.true_pendulum import true_agent

DISTURBANCE = 0.5
"""Standard deviation of the noise added to the planner's actions."""
TOP = (0.5, 2.0)
"""Largest angle and speed near the top: radians from upright, rad/s."""
CANDIDATES, HORIZON = 64, 12


def balanced_pole(env: EnvConfig, episodes: int, seed: int) -> Batch:
    """Whole episodes of E environments side by side, (E, T, ...); adds the observation `state` (cos, sin, rad/s)."""
    env = replace(env, observe=(*env.observe, "state"))
    agent, generator, carry = true_agent(env), torch.Generator().manual_seed(seed), None

    def act(obs: Obs, is_first: np.ndarray) -> np.ndarray:
        nonlocal carry
        carry, action = agent.act(carry, obs, is_first)
        disturbed = action + DISTURBANCE * torch.randn(action.shape, generator=generator).numpy()
        return disturbed.clip(-1, 1).astype(np.float32)

    finished, spec = collect_episodes(env, episodes, seed, act)
    length = len(finished[0].steps)
    replay = Replay(ReplayConfig(episodes * length), spec, torch.device("cpu"), generator)
    for episode in finished:
        replay.add(episode.columns())
    return replay.sequential(length, episodes)


@torch.no_grad()
def ranking_accuracy(
    model: WorldModel, episodes: Batch, env: EnvConfig, num_samples: int, moments: int, seed: int
) -> dict[str, float]:
    """Rank candidates at random `moments` near the top; `num_samples` as in `PlanningConfig`.

    Returns `correlation`: Pearson's, of predicted with true returns of the candidates at a moment; mean over moments.
    `overestimation`: predicted minus true return, in the environment's unit; mean over candidates and moments. Above 0
    near the top: the imagined pole stays up where the real one falls.
    """
    posterior = model.trace(episodes, None).posterior
    generator = torch.Generator().manual_seed(seed)
    where = near_the_top(episodes)
    where = where[torch.randperm(len(where), generator=generator)[:moments]]
    action = candidates(len(where), generator)
    noise = model.dynamics.noise(len(where), num_samples, HORIZON, generator=generator) if num_samples else None
    score = score_of(model, RewardSumConfig().build(model, None))
    belief = tree.map(lambda x: x.flatten(0, 1)[where], posterior)
    predicted = model.to_env_units(score(belief, noise)(action))
    actual = true_returns(episodes.obs["state"].flatten(0, 1)[where], action, env)
    correlations = correlation(predicted, actual)
    return {"correlation": float(correlations.mean()), "overestimation": float((predicted - actual).mean())}


def near_the_top(episodes: Batch) -> Int[Tensor, " M"]:
    """Indices of moments near the top, but not at the beginning of an episode; episodes are laid end to end."""
    cos, sin, speed = episodes.obs["state"].unbind(-1)
    near = (torch.atan2(sin, cos).abs() < TOP[0]) & (speed.abs() < TOP[1])
    near[:, : CONTEXT["pendulum"]] = False
    return near.flatten().nonzero()[:, 0]


def candidates(moments: int, generator: torch.Generator) -> Float[Tensor, "M N H 1"]:
    """Action sequences of a constant random push and smaller noise: a planner has to rank such plans there."""
    push = 0.6 * torch.randn(moments, CANDIDATES, 1, 1, generator=generator)
    jitter = 0.4 * torch.randn(moments, CANDIDATES, HORIZON, 1, generator=generator)
    return (push + jitter).clamp(-1, 1)


def true_returns(state: Float[Tensor, "M 3"], action: Float[Tensor, "M N H 1"], env: EnvConfig) -> Float[Tensor, "M N"]:
    """Undiscounted returns over the horizon."""
    truth = true_agent(env)
    simulator = truth.model.dynamics
    return planner(truth).score(simulator.correct(simulator.initial(len(state)), state, None))(action)


def correlation(x: Float[Tensor, "M N"], y: Float[Tensor, "M N"]) -> Float[Tensor, " M"]:
    """Pearson correlation of each row; 0 where x or y is constant."""
    x, y = (values - values.mean(1, keepdim=True) for values in (x, y))
    norm = x.norm(dim=1) * y.norm(dim=1)
    return torch.where(norm > 0, (x * y).sum(1) / norm.clamp(min=1e-12), 0.0)
