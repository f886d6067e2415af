"""Evolution strategies: the gradient estimate against slow loops, in known worlds."""

from dataclasses import replace

import pytest
import torch
from mocks import AddAction, KnownWorld, Value, model_config, spec
from torch import nn

from reverie import tree
from reverie.agents.policies import PolicyConfig
from reverie.dynamics.rollout import imagine_policy
from reverie.errors import UserError
from reverie.learners.evolution import Evolution, EvolutionConfig, centered_ranks
from reverie.models.world_model import WorldModel
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig

TARGET = 0.5
MLP = MLPConfig(layers=1, units=8)


def target_reward(features):
    """`-(s - target)^2`"""
    return -(features[..., 0] - TARGET).square()


def config(**changed) -> EvolutionConfig:
    settings = {"population": 32, "starts": 16, "horizon": 4, "gamma": 0.9, "optimizer": AdamConfig(lr=5e-2)} | changed
    return EvolutionConfig(PolicyConfig(MLP, init_std=0.1, min_std=1e-2), **settings)


def test_ranks_are_centered_and_do_not_depend_on_the_scale():
    assert centered_ranks(torch.tensor([3.0, -1.0, 1e9, 0.0, 7.0])).tolist() == [0.0, -0.5, 0.5, -0.25, 0.25]
    assert torch.equal(centered_ranks(torch.tensor([1.0, 2.0])), centered_ranks(torch.tensor([-5.0, 1e6])))


def test_ties_get_the_mean_of_their_ranks():
    assert centered_ranks(torch.zeros(8)).tolist() == [0.0] * 8
    assert centered_ranks(torch.tensor([1.0, 0.0, 0.0, 1.0, 2.0])).tolist() == [0.125, -0.375, -0.375, 0.125, 0.5]


def test_returns_of_a_population_equal_those_of_each_member_alone():
    """Compare a batch with a loop over policies, in a real model with a latent and a continuation head."""
    torch.manual_seed(0)
    seen = spec(action=2)
    model = WorldModel(model_config(), seen)
    settings = config(population=6, starts=3)
    learner = settings.build(seen, model.dynamics.feature_size)
    noise = learner.noise(model, 5, torch.Generator().manual_seed(0))
    start = tree.map(lambda x: x[noise.starts] + 0.1, model.dynamics.initial(5))
    members = torch.randn(6, noise.parameters.shape[1]) * 0.3
    with torch.no_grad():
        found, _ = learner.imagined_returns(model, members, start, noise)
        for member, fitness in zip(members, found):
            nn.utils.vector_to_parameters(member, learner.policy.parameters())
            features, _ = imagine_policy(model.dynamics, learner.policy, start, 4, noise.dynamics, noise.policy)
            total = torch.zeros(3)
            weight = model.continuation(features[:, 0])
            for t in range(1, 5):
                total += weight * model.reward(features[:, t])
                weight = weight * 0.9 * model.continuation(features[:, t])
            torch.testing.assert_close(total.mean(), fitness, rtol=1e-4, atol=1e-5)


def test_the_step_is_the_published_sum_over_perturbations():
    torch.manual_seed(0)
    world = KnownWorld(AddAction(1), reward=target_reward)
    learner = config(population=8, sigma=0.1).build(spec(action=1), 1)
    belief = Value(torch.randn(20, 1))
    noise = learner.noise(world, 20, torch.Generator().manual_seed(0))
    before = nn.utils.parameters_to_vector(learner.policy.parameters()).detach().clone()
    start = Value(belief.value[noise.starts])
    scores = []
    for sign in (1, -1):
        for epsilon in noise.parameters:
            member = (before + sign * 0.1 * epsilon)[None]
            with torch.no_grad():
                fitness = learner.imagined_returns(world, member, start, noise)[0]
            scores.append((fitness.item(), sign * epsilon))
    order = sorted(range(8), key=lambda i: scores[i][0])
    expected = sum((rank / 7 - 0.5) * scores[i][1] for rank, i in enumerate(order)) / (8 * 0.1)

    optimizers = learner.optimizers()
    optimizers["actor"].rule.config = replace(optimizers["actor"].rule.config, clip=1e9)
    learner.update(world, belief, noise, optimizers)
    gradient = torch.cat([parameter.grad.flatten() for parameter in learner.policy.parameters()])
    torch.testing.assert_close(-gradient, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("discrete", [False, True])
def test_the_policy_reaches_the_target(discrete):
    torch.manual_seed(0)

    class Walk(AddAction):
        def predict(self, state, action, noise):
            return Value(state.value + (action @ torch.tensor([-0.5, 0.0, 0.5]))[..., None])

    world = KnownWorld(Walk(1) if discrete else AddAction(1), reward=target_reward)
    learner = config().build(spec(action=3 if discrete else 1, discrete=discrete), 1)
    optimizers, generator = learner.optimizers(), torch.Generator().manual_seed(0)
    for _ in range(200):
        belief = Value(3 * torch.rand(64, 1, generator=generator) - 1.5)
        noise = learner.noise(world, 64, generator)
        learner.update(world, belief, replace(noise, dynamics=0 * noise.dynamics), optimizers)
    start = Value(torch.tensor([[-1.0], [0.0], [0.5], [1.0]]))
    with torch.no_grad():
        features, _ = imagine_policy(world.dynamics, learner.policy, start, 5, None, None)
    assert (features[:, -2:, 0] - TARGET).abs().max() < (0.5 + 1e-5 if discrete else 0.2)


def test_an_update_does_not_change_the_world_model():
    torch.manual_seed(0)
    model = WorldModel(model_config(), spec())
    learner: Evolution = config(population=4).build(spec(), model.dynamics.feature_size)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    policy = [parameter.detach().clone() for parameter in learner.parameters()]
    noise = learner.noise(model, 6, torch.Generator().manual_seed(0))
    learner.update(model, model.dynamics.initial(6), noise, learner.optimizers())
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters()))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not all(torch.equal(a, b) for a, b in zip(policy, learner.parameters()))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"population": 7}, "even"),
        ({"sigma": 0.0}, "positive"),
        ({"sigma": float("nan")}, "positive"),
        ({"starts": 0}, "1 or more"),
        ({"horizon": 0}, "1 or more"),
    ],
)
def test_invalid_settings_are_errors(changed, sentence):
    with pytest.raises(UserError, match=sentence):
        config(**changed)
