"""On a GPU: eager, recorded and compiled updates and decisions agree, and a run resumes. Skipped without one."""

from dataclasses import replace

import pytest
import small_run
import torch
from interruptions import result
from mocks import random_batch
from updates import Setting, every_method

import reverie
from reverie import recipes, tree
from reverie.agents.agent import AgentConfig, build
from reverie.nn.precision import set_precision
from reverie.planning.actor import PlanningConfig
from reverie.planning.cem import CEMConfig, ICEMConfig
from reverie.planning.gradient import GradientConfig
from reverie.planning.mppi import MPPIConfig
from reverie.runs.execution import WARM_UP, executed
from reverie.runs.update import draw_noise, make_optimizers, make_update
from reverie.testing.batches import small_spec

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
PLANNERS = (
    CEMConfig(horizon=3, candidates=8, elites=2, iterations=2),
    ICEMConfig(horizon=3, candidates=8, elites=2),
    MPPIConfig(horizon=3, iterations=2),
    GradientConfig(horizon=3, steps=2),
)


def on_gpu(discrete, method, execution, precision="float32"):
    """The setting of the other tests, on the GPU, and a function from a seed to its data."""
    setting = Setting(discrete, method=method)
    setting.model.cuda(), setting.learner.cuda()
    for module in (setting.model, setting.learner):
        set_precision(module, precision)
    config = recipes.build(method, "tiny").model.optimizer if method in recipes.RECIPES else None
    setting.optimizers = make_optimizers(config or setting.learner.config.optimizer, setting.model, setting.learner)
    setting.update = make_update(setting.model, setting.learner, setting.optimizers, execution)
    return setting


def updates(setting, count=WARM_UP + 4):
    found = []
    for seed in range(count):
        noise = draw_noise(setting.model, setting.learner, 2, 4, torch.Generator().manual_seed(seed))
        data = tree.to((random_batch(setting.spec, 2, 4, seed), noise), "cuda")
        found.append({name: x.item() for name, x in setting.update(*data).items()})
    return found


@every_method
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_recorded_update_is_the_eager_one(discrete, method, precision):
    eager, graph = (updates(on_gpu(discrete, method, execution, precision)) for execution in ("eager", "graph"))
    for one, other in zip(eager, graph, strict=True):
        assert other == pytest.approx(one, rel=1e-4, abs=1e-4)


@pytest.mark.slow
def test_a_compiled_update_is_the_eager_one():
    eager, compiled = (updates(on_gpu(False, "dreamer_v1", execution)) for execution in ("eager", "compiled"))
    for one, other in zip(eager, compiled, strict=True):
        assert other == pytest.approx(one, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("planner", PLANNERS, ids=lambda planner: type(planner).__name__)
@pytest.mark.parametrize("explore", [False, True])
def test_a_recorded_decision_is_the_eager_one(planner, explore):
    spec, config = small_spec(), recipes.build("planet", "tiny")
    agent = build(AgentConfig(spec, config.model, PlanningConfig(planner))).cuda()
    carries, ways = [None, None], (agent.decide, executed(agent.decide, "graph"))
    for seed in range(WARM_UP + 3):
        observation = {name: x[:, 0].numpy() for name, x in random_batch(spec, 2, 2, seed).obs.items()}
        noise = tree.to(agent.noise(2, torch.Generator().manual_seed(seed)), "cuda") if explore else None
        actions = []
        for number, agent.decide in enumerate(ways):
            carries[number], action = agent.act(carries[number], observation, None, noise)
            actions.append(torch.from_numpy(action))
        torch.testing.assert_close(*actions, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_recorded_overlapped_run_trains_and_resumes(folder):
    config = small_run.config(execution="graph", overlap=True, precision="bfloat16", frames=160)
    reverie.train(replace(config, device="cuda"), folder, evaluate=False)
    reverie.resume(folder, frames=240, evaluate=False)
    lines, _ = result(folder)
    assert lines


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"
