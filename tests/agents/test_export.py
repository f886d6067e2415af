"""An exported agent: it runs without Reverie, equals the agent, and takes any batch."""

import json
import subprocess
import sys

import pytest
import torch

import reverie
from reverie import envs
from reverie.agents import agent as agents
from reverie.agents import export as exporting
from reverie.agents.agent import Agent, AgentConfig
from reverie.cli.command_line import main
from reverie.config.overrides import override
from reverie.errors import UserError

ALONE = """
import json, sys
for name in ("reverie", "reverie_worlds"):
    sys.modules[name] = None  # an import of it fails
import torch
torch.set_num_threads(1)
program = torch.export.load(sys.argv[1], extra_files=(files := {"about.json": ""})).module()
about, steps, actions = json.loads(files["about.json"]), torch.load(sys.argv[2]), []
carry = [torch.full((2, *part["shape"]), 7.0, dtype=getattr(torch, part["dtype"])) for part in about["carry"]]
with torch.no_grad():
    for obs, is_first in steps:
        action, carry = program(obs, is_first, carry)
        actions.append(action)
torch.save(torch.stack(actions), sys.argv[3])
print([name for name in sys.modules if name.startswith("reverie.")])
"""


def build(recipe: str, env_id: str, **settings: str) -> Agent:
    """Make an agent at size tiny, with random weights."""
    config = override(reverie.recipe(recipe, "tiny", env_id), settings)
    env = envs.make(config.env)
    env.close()
    torch.manual_seed(0)
    return agents.build(AgentConfig(env.spec, config.model, config.behavior.actor, config.env)).eval()


def observations(agent: Agent, steps: int) -> list:
    """Random observations of two environments. The second begins an episode at step 7."""
    generator = torch.Generator().manual_seed(0)
    spaces = agent.config.spec.obs
    return [
        (
            {
                name: (255 * torch.rand(2, *space.shape, generator=generator)).to(getattr(torch, space.dtype))
                for name, space in spaces.items()
            },
            torch.tensor([number == 0, number in (0, 7)]),
        )
        for number in range(steps)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "env_id"),
    [("dreamer_v1", "Pendulum-v1"), ("dreamer_v2", "CartPole-v1"), ("dreamer_v3", "Pendulum-v1")],
)
def test_a_program_runs_without_the_library_and_equals_the_agent(recipe, env_id, tmp_path):
    agent, steps = build(recipe, env_id), None
    assert reverie.export(agent, tmp_path / "agent.pt2") <= 1e-5
    steps = observations(agent, 20)
    torch.save(steps, tmp_path / "steps.pt")
    command = [sys.executable, "-c", ALONE, *(str(tmp_path / name) for name in ("agent.pt2", "steps.pt", "actions.pt"))]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (ended.stdout.strip(), ended.returncode) == ("[]", 0), ended.stderr[-2000:]
    carry, expected = None, []
    for obs, is_first in steps:
        carry, action = agent.act(carry, obs, is_first)
        expected.append(action)
    torch.testing.assert_close(torch.load(tmp_path / "actions.pt"), torch.stack(expected), rtol=0, atol=1e-5)
    assert torch.stack(expected).std(0).max() > 0  # the actions depend on what is observed


@pytest.mark.slow
def test_the_command_writes_the_program_of_a_run(tmp_path, capsys):
    build("dreamer_v1", "Pendulum-v1").save(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert main(["export", str(tmp_path), "--to", "torch"]) == 0
    said, file = capsys.readouterr().out.splitlines()
    assert said.startswith("It equals the agent over 20 steps, to ")
    assert file.split() == ["program", str(tmp_path / "agent.pt2")]
    torch.export.load(tmp_path / "agent.pt2", extra_files=(files := {"about.json": ""}))
    about = json.loads(files["about.json"])
    assert about["obs"] == {"pixels": {"shape": [16, 16, 3], "dtype": "uint8"}}
    assert (about["action"], about["env"]) == ({"size": 1, "discrete": False}, "Pendulum-v1")


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["dreamer_v1", "dreamer_v3"])
def test_a_program_of_onnx_equals_the_agent(recipe, tmp_path):
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    build(recipe, "CartPole-v1").save(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert main(["export", str(tmp_path), "--to", "onnx"]) == 0
    model = onnx.load(tmp_path / "agent.onnx")
    assert json.loads(model.metadata_props[0].value)["action"] == {"size": 2, "discrete": True}


def test_onnx_without_its_packages_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match="needs onnxscript and onnxruntime: pip install"):
        reverie.export(build("dreamer_v1", "Pendulum-v1"), tmp_path / "agent.onnx", "onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_agent_that_plans_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(UserError, match="An agent that plans cannot be exported, because its search is a loop"):
        reverie.export(build("planet", "Pendulum-v1"), tmp_path / "agent.pt2")
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_cannot_be_followed_is_one_sentence(tmp_path, monkeypatch):
    agent = build("dreamer_v1", "Pendulum-v1")
    features = agent.actor.features
    agent.actor.features = lambda belief: features(belief) * float(features(belief).sum())
    with pytest.raises(UserError, match="PyTorch cannot export a part of this agent"):
        reverie.export(agent, tmp_path / "agent.pt2")
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_differs_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "compare", lambda *_: float("nan"))
    form = exporting.Form(lambda *_: (b"", lambda *_: None), 1e-5)
    monkeypatch.setitem(exporting.FORMS, "torch", form)
    with pytest.raises(UserError, match="differs from the agent by nan, so it was not written"):
        reverie.export(build("dreamer_v1", "Pendulum-v1"), tmp_path / "agent.pt2")
    assert list(tmp_path.iterdir()) == []
