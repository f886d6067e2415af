"""Every recipe updates and acts on a device other than the CPU. There is no GPU here: `meta` stands for one.

A tensor on `meta` has a shape and no values. An operator of tensors on two devices fails there, as it would on a GPU.
"""

from dataclasses import replace

import pytest
import torch

from reverie import recipes, tree
from reverie.agents.agent import AgentConfig, build, with_goal
from reverie.evaluation.probes import linear_probes
from reverie.learners.evolution import EvolutionConfig
from reverie.nn.optimizer import Optimizer
from reverie.planning.actor import PlanningConfig
from reverie.planning.cem import CEMConfig
from reverie.planning.gradient import CEMThenGradientConfig, GradientConfig
from reverie.planning.mppi import MPPIConfig
from reverie.planning.random_shooting import RandomShootingConfig
from reverie.runs.config import OfflineConfig
from reverie.runs.update import draw_noise, make_update
from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.testing.batches import random_batch

DEVICE = torch.device("meta")
CEM = CEMConfig(horizon=3, candidates=8, elites=2, iterations=2)


@pytest.fixture(autouse=True)
def plain_adam(monkeypatch):
    """Step without the fused kernel, which does not exist on `meta`."""
    adam = torch.optim.AdamW
    monkeypatch.setattr(torch.optim, "AdamW", lambda *given, **named: adam(*given, **(named | {"fused": False})))


def move(values):
    return tree.to(values, DEVICE)


def test_a_tensor_that_was_left_behind_is_noticed():
    with pytest.raises(RuntimeError, match="is not on the expected device"):
        torch.ones(3, device=DEVICE) + torch.ones(3)


def online(name):
    config = recipes.build(name, "tiny", "Pendulum-v1")
    return config.model, config.behavior


METHODS = {
    "dreamer_v1": lambda: online("dreamer_v1"),
    "dreamer_v2": lambda: online("dreamer_v2"),
    "evolution": lambda: (online("dreamer_v1")[0], EvolutionConfig(population=4, horizon=3)),
    "planet": lambda: online("planet"),
    **{
        type(planner).__name__: lambda planner=planner: (online("planet")[0], PlanningConfig(planner))
        for planner in (
            CEM,
            MPPIConfig(horizon=3, iterations=2),
            GradientConfig(horizon=3, steps=2),
            RandomShootingConfig(horizon=2),
            CEMThenGradientConfig(CEM, GradientConfig(steps=2)),
        )
    },
    "sampled futures": lambda: (
        online("dreamer_v2")[0],
        PlanningConfig(CEM, num_samples=2),
    ),
}


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_an_agent_updates_and_acts(method, discrete):
    model_config, behavior = METHODS[method]()
    obs = {"pixels": Space((16, 16, 3), "uint8"), "state": Space((2,), "float32")}
    spec = EnvSpec(obs, ActionSpace(2, discrete), 2)
    device, generator = DEVICE, torch.Generator().manual_seed(0)
    agent = build(AgentConfig(spec, model_config, behavior.actor, None)).to(device)
    learner = behavior.build(spec, agent.model.dynamics.feature_size)
    learner = None if learner is None else learner.to(device)
    batch, noise = move((random_batch(spec, 2, 5), draw_noise(agent.model, learner, 2, 5, generator)))
    acting = move(agent.noise(3, generator))
    obs = {name: move(value[0]) for name, value in random_batch(spec, 1, 3).obs.items()}
    first = torch.tensor([False, True, False])
    optimizers = {"model": Optimizer(model_config.optimizer, agent.model.parameters())}
    optimizers |= {} if learner is None else learner.optimizers()
    metrics = make_update(agent.model, learner, optimizers, "eager")(batch, noise)
    assert all(x.device == DEVICE for x in metrics.values())
    carry, action = agent.act(None, obs, noise=acting)
    carry, action = agent.act(carry, obs, first, acting)
    assert action.device == DEVICE
    assert all(x.device == DEVICE for x in tree.leaves(carry))


FITTED = [name for name in recipes.RECIPES if isinstance(recipes.build(name, "tiny"), OfflineConfig)]


@pytest.mark.parametrize("name", FITTED)
def test_a_model_of_recordings_updates_and_its_agent_acts(name):
    config = recipes.build(name, "tiny")
    obs = {"pixels": Space((16, 16, 3), "uint8")}
    if name == "cvae":
        obs["label"] = Space((10,), "float32")
    spec, device, generator = EnvSpec(obs, ActionSpace(2, False), 1), DEVICE, torch.Generator().manual_seed(0)
    model = config.model.build(spec)
    length = config.training.length
    batch, noise = random_batch(spec, 6, length), draw_noise(model, None, 6, length, generator)
    model.calibrate(batch)
    model.to(device)
    batch, noise = move((batch, noise))
    adam = replace(config.model.optimizer, decay=0)  # a rate that decays is read when the optimizer is made
    optimizers = {"model": Optimizer(adam, model.parameters())}
    make_update(model, None, optimizers, "eager")(batch, noise)
    if config.actor is None:
        return
    agent = build(AgentConfig(spec, config.model, config.actor, None)).to(device)
    image = {"pixels": move(random_batch(spec, 1, 1).obs["pixels"][0, 0])}
    goal = with_goal(agent, image) if name != "state_space" else agent
    _, action = goal.act(None, image)
    assert action.device == DEVICE


def test_probes_stay_on_the_device():
    x, y = torch.ones(9, 4, device=DEVICE), torch.ones(9, 2, device=DEVICE)
    assert linear_probes(x, y, x, y).device == DEVICE
