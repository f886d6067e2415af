"""A tiny run, and stages made of it without its files."""

from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest
import small_run
import torch

import reverie
from reverie import envs
from reverie.agents import agent as agents
from reverie.agents.agent import AgentConfig, with_planner
from reverie.learners.actor_critic import ActorCriticConfig
from reverie.planning.actor import PlanningConfig
from reverie.planning.cem import ICEMConfig
from reverie.planning.objectives import RewardSumConfig
from reverie.play import controls
from reverie.play.dream import Dream
from reverie.play.session import Stage

PLANNING = PlanningConfig(ICEMConfig(horizon=3, candidates=8, elites=3, iterations=2), RewardSumConfig())


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The folder of a tiny agent of `Slide`, which sees an image and a vector."""
    config = small_run.config(frames=160, prefill=80)
    return reverie.train(config, tmp_path_factory.mktemp("play") / "slide", evaluate=False)


@pytest.fixture(scope="session")
def stage():
    """An untrained agent in `Slide` with a policy, a planner and a value."""
    torch.manual_seed(0)
    config = small_run.config()
    world = replace(config.env, repeat=1)
    with closing(envs.make(world)) as environment:
        spec = environment.spec
    agent = agents.build(AgentConfig(spec, config.model, config.behavior.actor, world)).eval()
    behavior: ActorCriticConfig = config.behavior
    value = behavior.build(spec, agent.model.dynamics.feature_size).value
    acting = {"policy": agent, "planner": with_planner(agent, PLANNING)}
    meanings = controls.describe(world.id, None, spec.action)
    return Stage("slide", Dream(agent.model, spec, value), acting, make=partial(envs.make, world), controls=meanings)
