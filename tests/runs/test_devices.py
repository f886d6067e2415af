"""Every recipe updates and acts on a device other than the CPU. There is no GPU here: `meta` stands for one.

A tensor on `meta` has a shape and no values. An operator of tensors on two devices fails there, as it would on a GPU.
"""

import shutil
from dataclasses import replace

import format_1
import pytest
import torch
from interruptions import result
from torch import nn

import reverie
from reverie import recipes, tree
from reverie.agents.agent import AgentConfig, build, with_goal
from reverie.evaluation.probes import linear_probes
from reverie.learners.evolution import EvolutionConfig
from reverie.nn.optimizer import Adam, Optimizer
from reverie.planning.actor import PlanningConfig
from reverie.planning.cem import CEMConfig
from reverie.planning.gradient import CEMThenGradientConfig, GradientConfig
from reverie.planning.mppi import MPPIConfig
from reverie.planning.random_shooting import RandomShootingConfig
from reverie.runs import checkpoint
from reverie.runs.config import OfflineConfig, read_config
from reverie.runs.logger import Logger, read_metrics
from reverie.runs.online import OnlineRun
from reverie.runs.update import draw_noise, make_optimizers, make_update
from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.testing.batches import random_batch
from reverie.testing.contract import OneDevice

DEVICE = torch.device("meta")
CEM = CEMConfig(horizon=3, candidates=8, elites=2, iterations=2)


@pytest.fixture
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
@pytest.mark.usefixtures("plain_adam")
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


@pytest.mark.parametrize("method", ["dreamer_v1", "dreamer_v2", "dreamer_v3", "evolution", "planet"])
def test_an_update_stays_on_its_device(method, monkeypatch):
    """Nothing is copied to it or from it, as nothing may be in a CUDA graph. The fused kernel is left out."""
    monkeypatch.setattr(Adam, "step", lambda adam, norm: nn.utils.clip_grads_with_norm_(adam.parameters, 1.0, norm))
    model_config, behavior = METHODS[method]() if method in METHODS else online(method)
    spec = EnvSpec({"pixels": Space((16, 16, 3), "uint8"), "state": Space((2,), "float32")}, ActionSpace(2, False), 2)
    model = model_config.build(spec)
    learner = behavior.build(spec, model.dynamics.feature_size)
    batch, noise = random_batch(spec, 2, 5), draw_noise(model, learner, 2, 5, torch.Generator().manual_seed(0))
    for module in (model, *([] if learner is None else [learner])):
        module.to(DEVICE)
    update = make_update(model, learner, make_optimizers(model_config.optimizer, model, learner), "eager")
    batch, noise = move((batch, noise))
    with OneDevice(DEVICE):
        update(batch, noise)


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize("explore", [False, True])
@pytest.mark.parametrize("method", [name for name in METHODS if "Gradient" not in name])
def test_a_decision_stays_on_its_device(method, explore, discrete):
    """With its whole plan. Only the optimizer of a search by gradients counts its steps on the host, without a GPU."""
    model_config, behavior = METHODS[method]()
    spec = EnvSpec({"pixels": Space((16, 16, 3), "uint8")}, ActionSpace(2, discrete), 2)
    agent = build(AgentConfig(spec, model_config, behavior.actor, None)).to(DEVICE)
    noise = move(agent.noise(3, torch.Generator())) if explore else None
    obs, first = {"pixels": move(random_batch(spec, 1, 3).obs["pixels"][0])}, move(torch.zeros(3, dtype=torch.bool))
    carry = agent.initial(3)
    with OneDevice(DEVICE), torch.no_grad():
        for _ in range(2):
            carry, action = agent.decide(carry, obs, first, noise)
    assert {leaf.device for leaf in tree.leaves((carry, action))} == {DEVICE}


FITTED = [name for name in recipes.RECIPES if isinstance(recipes.build(name, "tiny"), OfflineConfig)]


@pytest.mark.usefixtures("plain_adam")
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
    if config.behavior is None:
        return
    agent = build(AgentConfig(spec, config.model, config.behavior.actor, None)).to(device)
    image = {"pixels": move(random_batch(spec, 1, 1).obs["pixels"][0, 0])}
    goal = with_goal(agent, image) if name != "state_space" else agent
    _, action = goal.act(None, image)
    assert action.device == DEVICE


def test_probes_stay_on_the_device():
    x, y = torch.ones(9, 4, device=DEVICE), torch.ones(9, 2, device=DEVICE)
    assert linear_probes(x, y, x, y).device == DEVICE


# A run that moves to another device


def written_on_cuda(folder, first_format):
    """Rewrite the newest checkpoint as a GPU would have written it: it has the state of a generator of 16 bytes."""
    newest = checkpoint.paths(folder / "checkpoints")[-1]
    state = torch.load(newest, weights_only=True)
    state["generators"]["device"] = torch.arange(16, dtype=torch.uint8)
    torch.save(format_1.as_format_1(state) if first_format else state | {"device": "cuda"}, newest)


@pytest.mark.slow
@pytest.mark.parametrize("first_format", [False, True])
def test_a_run_of_a_gpu_goes_on_on_the_cpu(half, uninterrupted, first_format):
    """Its further noise follows from seed and clock, so it is the same each time, and not that of the CPU's run."""
    written_on_cuda(half, first_format)
    again = half.with_name("again")
    shutil.copytree(half, again)
    for folder in (half, again):
        with pytest.warns(UserWarning, match="The run moves from cuda to cpu: from here on it draws other noise"):
            reverie.resume(folder, device="cpu", evaluate=False)
        assert read_config(folder).device == "cpu"
        assert [line["name"] for line in read_metrics(folder, "alarm")] == ["device"]
    assert result(half) == result(again)
    episodes = [read_metrics(folder, "episode") for folder in (half, uninterrupted)]
    assert len(episodes[0]) > 0
    assert episodes[0] != episodes[1]
    saved = checkpoint.newest(half / "checkpoints")
    assert saved["device"] == "cpu"
    reverie.resume(half, frames=280, evaluate=False)  # now it is a run of the CPU


@pytest.mark.slow
def test_another_place_draws_other_noise(half):
    """The new seed depends on the clock: noise after a second move does not repeat that after the first."""
    state = checkpoint.newest(half / "checkpoints") | {"device": "cuda"}
    drawn = []
    for updates in (8, 9):
        run = OnlineRun(read_config(half), half)
        run.load_state(state | {"clock": state["clock"] | {"updates": updates}})
        drawn.append(torch.randn(5, generator=run.generators["device"]))
        run.close()
    assert not torch.equal(*drawn)


@pytest.mark.slow
@pytest.mark.usefixtures("plain_adam")
@pytest.mark.filterwarnings("ignore:for .* copying from a non-meta parameter")
def test_a_checkpoint_of_the_cpu_is_restored_on_another_device(half, monkeypatch):
    real = torch.Generator  # `meta` has no generators
    monkeypatch.setattr(torch, "Generator", lambda device="cpu": real())
    run = OnlineRun(replace(read_config(half), device="meta"), half)
    state = checkpoint.newest(half / "checkpoints")
    run.load_state(checkpoint.check(state, run.form()))
    run.logger = run.resources.enter_context(Logger(half))
    moved = run.state()
    run.close()
    kept = ("generators", "collector", "config")
    for name in state.keys() - {"format", "writer", "file", *kept}:
        assert [x.shape for x in tree.leaves(moved[name])] == [x.shape for x in tree.leaves(state[name])]
        counted_on_host = name == "optimizers"  # by the plain kernel alone
        assert all(x.device == DEVICE or (counted_on_host and x.ndim == 0) for x in tree.leaves(moved[name]))
    assert len(tree.leaves(moved["optimizers"])) > 30
    batch, noise = move((random_batch(run.spec, 2, 5), draw_noise(run.agent.model, run.learner, 2, 5, real())))
    run.update(batch, noise)  # the moments lie where the weights do
