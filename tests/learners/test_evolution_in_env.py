"""Evolution strategies by real episodes: members play as they would alone, and the policy improves."""

from contextlib import closing
from dataclasses import replace

import pytest
import torch
from small_run import config as run_config
from torch import nn

from reverie.agents.agent import Agent, AgentConfig
from reverie.agents.agent import build as build_agent
from reverie.agents.policies import PolicyActor, PolicyConfig
from reverie.data.collector import Collector
from reverie.envs import make_many
from reverie.errors import UserError
from reverie.learners.evolution import EvolutionConfig
from reverie.learners.evolution_in_env import real_returns, update_from_episodes
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig

POPULATION = 8


@pytest.fixture
def learner_and_agent():
    """A learner, an agent with its policy and an untrained model, and environments whose episodes end early."""
    torch.manual_seed(0)
    run = run_config("Aside")
    settings = EvolutionConfig(
        PolicyConfig(MLPConfig(layers=1, units=8)), population=POPULATION, sigma=0.3, optimizer=AdamConfig(lr=0.1)
    )
    environments = make_many(replace(run.env, count=POPULATION))
    base = build_agent(AgentConfig(environments.spec, run.model, settings.actor, run.env))
    learner = settings.build(environments.spec, base.model.dynamics.feature_size)
    agent = Agent(base.config, base.model, PolicyActor(learner.policy, base.model.dynamics.features))
    yield learner, agent, environments
    environments.close()


@pytest.mark.slow
def test_each_member_plays_as_it_would_alone(learner_and_agent):
    learner, agent, environments = learner_and_agent
    members = learner.population_parameters(torch.randn(POPULATION // 2, sum(x.numel() for x in learner.parameters())))
    together, frames = real_returns(agent, learner.policy, members, environments, seed=3)
    alone, played = [], 0
    for member in members:
        nn.utils.vector_to_parameters(member, learner.policy.parameters())
        single = make_many(replace(agent.config.world, count=1))
        collector, carry, finished = Collector(single, 3, stream=2), None, []
        while not finished:
            collector.begin()
            carry, action = agent.act(carry, *collector.observations())
            finished = collector.step(lambda obs, is_first, chosen=action: chosen)
            played += collector.frames[0]
        alone.append(finished[0].undiscounted_return)
        single.close()
    torch.testing.assert_close(together, torch.tensor(alone), rtol=1e-4, atol=1e-4)
    assert frames == played
    assert together.std() > 0


def test_each_member_needs_an_environment(learner_and_agent):
    learner, agent, environments = learner_and_agent
    members = nn.utils.parameters_to_vector(learner.policy.parameters()).detach().expand(4, -1)
    with pytest.raises(UserError, match="8 environments cannot play a population of 4"):
        real_returns(agent, learner.policy, members, environments, 0)


@pytest.mark.slow
def test_real_episodes_improve_the_policy(learner_and_agent):
    learner, agent, environments = learner_and_agent
    optimizer, generator = learner.optimizers()["actor"], torch.Generator().manual_seed(0)
    before = [parameter.detach().clone() for parameter in agent.model.parameters()]

    def score() -> float:
        center = nn.utils.parameters_to_vector(learner.policy.parameters()).detach()[None]
        returns = [real_returns(agent, learner.policy, center, alone, 100 + i)[0] for i in range(8)]
        return torch.cat(returns).mean()

    with closing(make_many(replace(agent.config.world, count=1))) as alone:
        first = score()
        for update in range(8):
            update_from_episodes(learner, agent, environments, update, generator, optimizer)
        assert score() > first + 2
    assert all(torch.equal(a, b) for a, b in zip(before, agent.model.parameters()))
