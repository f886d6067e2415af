"""What every learner owes, whichever it is: a new one is picked up from the union of configs."""

import pytest
import torch
from mocks import model_config, spec

from reverie import tree
from reverie.config.files import decode, encode
from reverie.learners import LearnerConfig
from reverie.models.world_model import WorldModel
from reverie.planning.actor import PlanningConfig

CONFIGS = [config() for config in LearnerConfig.choices().values() if config is not PlanningConfig]
"""A planner acts without learning anything of its own; its tests are those of actors."""
BELIEFS = 6


@pytest.fixture(params=["box", "choices"])
def seen(request):
    return spec(action=3, discrete=request.param == "choices")


@pytest.fixture
def model(seen) -> WorldModel:
    torch.manual_seed(0)
    return WorldModel(model_config(), seen)


@pytest.fixture(params=CONFIGS, ids=lambda config: type(config).__name__)
def learner(request, seen, model):
    torch.manual_seed(1)
    return request.param.build(seen, model.dynamics.feature_size)


def noise_of(learner, model, seed: int = 0):
    return learner.noise(model, BELIEFS, torch.Generator().manual_seed(seed))


def begun(model):
    return tree.map(lambda x: x + 0.1 if x.is_floating_point() else x, model.dynamics.initial(BELIEFS))


def weights(module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def test_an_update_improves_the_policy_and_only_reads_the_model(learner, model):
    policy, world = weights(learner.policy), weights(model)
    metrics = learner.update(model, begun(model), noise_of(learner, model), learner.optimizers())
    assert any(not torch.equal(a, b) for a, b in zip(policy, learner.policy.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(world, model.parameters()))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(isinstance(value, torch.Tensor) and value.dim() == 0 for value in metrics.values())
    assert all(value.isfinite() and not value.requires_grad for value in metrics.values())
    assert "imagined/return" in metrics


def test_the_same_noise_gives_the_same_bits(learner, model):
    state = {name: value.clone() for name, value in learner.state_dict().items()}
    found = []
    for _ in range(2):
        learner.load_state_dict(state)
        learner.update(model, begun(model), noise_of(learner, model), learner.optimizers())
        found.append(weights(learner))
    assert all(torch.equal(a, b) for a, b in zip(*found))
    learner.load_state_dict(state)
    learner.update(model, begun(model), noise_of(learner, model, seed=1), learner.optimizers())
    assert any(not torch.equal(a, b) for a, b in zip(found[0], weights(learner)))


def test_noise_comes_from_the_generator_alone(learner, model):
    one, same, other = (tree.leaves(noise_of(learner, model, seed)) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(one, same))
    assert any(not torch.equal(a, b) for a, b in zip(one, other))


def test_optimizers_step_the_learners_own_parameters(learner):
    own = {id(parameter) for parameter in learner.parameters()}
    for optimizer in learner.optimizers().values():
        assert {id(parameter) for parameter in optimizer.parameters} <= own


def test_an_agent_is_rebuilt_from_the_actors_config(learner, seen, model):
    policy = learner.config.actor.build(seen.action, model.dynamics.feature_size)
    policy.load_state_dict(learner.policy.state_dict())
    features = torch.randn(4, model.dynamics.feature_size)
    assert torch.equal(policy(features, None), learner.policy(features, None))


def test_its_value_says_whether_it_has_one(learner, model):
    if learner.value is not None:
        assert learner.value(torch.randn(4, model.dynamics.feature_size)).shape == (4, 1)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: type(config).__name__)
def test_a_config_survives_being_saved(config):
    assert decode(LearnerConfig, encode(config)) == config
