"""Export an agent as one program, which runs without Reverie: encode, update the belief, act.

    program = torch.export.load("agent.pt2", extra_files=(about := {"about.json": ""})).module()
    action, carry = program(obs, is_first, carry)

`torch` needs PyTorch to run, `onnx` any runtime of ONNX, such as onnxruntime.

The carry is a list of tensors, explicit state that goes in and comes out. Where `is_first`, its content does not
matter. Beliefs are mean beliefs and the action is the mode of the policy, as in `Agent.act` without noise.
"""

import copy
import importlib
import io
import json
import platform
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from reverie import tree
from reverie.agents.agent import Agent, Carry
from reverie.agents.policies import PolicyActor
from reverie.errors import UserError
from reverie.files import atomic_write, check_writable

ABOUT = "about.json"
"""The file inside that describes observations, carry and actions."""
STEPS = 20
"""Steps on which the program must equal the agent."""
Obs = dict[str, Tensor]
Program = Callable[[Obs, Tensor, list[Tensor]], tuple[Tensor, list[Tensor]]]
"""From observations, `is_first` and the carry to actions and the next carry."""


class Form(NamedTuple):
    """A form of programs: how one is made from a step and its example, and how much it may differ from the agent."""

    make: Callable[["Step", tuple[Any, ...], Any], tuple[bytes, Program]]
    tolerance: float


class Step(nn.Module):
    """One call of `Agent.act`, with the carry as a list of its tensors."""

    def __init__(self, agent: Agent) -> None:
        super().__init__()
        self.agent = agent

    def forward(self, obs: Obs, is_first: Tensor, carry: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        given = iter(carry)
        before: Carry = tree.map(lambda _: next(given), self.agent.initial(1))
        after, action = self.agent.decide(before, obs, is_first, None)
        return action, tree.leaves(after)


def export(agent: Agent, path: str | Path, to: Literal["torch", "onnx"] = "torch") -> float:
    """Write `agent` as a program of `torch.export` or ONNX to `path`, for any batch size, on the CPU.

    It is compared with the agent first, on random observations. Returns the largest difference of actions and carry,
    at most 1e-5 (`torch`) or 1e-3 (`onnx`, which has other kernels). UserError for an agent that plans, where PyTorch
    cannot export a part, and without the packages of ONNX.
    """
    path = Path(path)
    check_writable(path)
    if not isinstance(agent.actor, PolicyActor):
        raise UserError(
            "An agent that plans cannot be exported, because its search is a loop over the model and not one step: "
            "export a run that has learned a policy, such as one of dreamer_v1."
        )
    agent = copy.deepcopy(agent).cpu().eval()
    step = Step(agent)
    example = (*_observations(agent, 2, 0), tree.leaves(agent.initial(2)))
    dynamic = torch.export.Dim("batch", min=1)
    shapes = ({name: {0: dynamic} for name in example[0]}, {0: dynamic}, [{0: dynamic} for _ in example[2]])
    form = FORMS[to]
    try:
        with (
            torch.no_grad(),
            warnings.catch_warnings(),
        ):  # of shared weights and axes, which the comparison would notice
            warnings.simplefilter("ignore")
            content, program = form.make(step, example, shapes)
    except UserError:
        raise
    except Exception as error:  # a part of the user's, or one that PyTorch cannot follow
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"PyTorch cannot export a part of this agent ({reason}): take a part without it.") from error
    difference = max(compare(step, program, batch) for batch in (1, 3))
    if not difference <= form.tolerance:
        raise UserError(f"The exported program differs from the agent by {difference:.2g}, so it was not written.")
    atomic_write(path, content)
    return difference


def _torch(step: Step, example: tuple[Any, ...], shapes: Any) -> tuple[bytes, Program]:
    file, files = io.BytesIO(), {ABOUT: json.dumps(about(step.agent), indent=1)}
    torch.export.save(torch.export.export(step, example, dynamic_shapes=shapes), file, extra_files=files)
    file.seek(0)
    return file.getvalue(), torch.export.load(file).module()


def _onnx(step: Step, example: tuple[Any, ...], shapes: Any) -> tuple[bytes, Program]:
    try:
        runtime: Any = importlib.import_module("onnxruntime")
        importlib.import_module("onnxscript")
    except ImportError as error:
        raise UserError("Export to ONNX needs onnxscript and onnxruntime: pip install 'reverie[onnx]'.") from error
    model = torch.onnx.export(step, example, dynamo=True, dynamic_shapes=shapes, verbose=False).model_proto  # type: ignore[union-attr]
    model.metadata_props.add(key=ABOUT, value=json.dumps(about(step.agent), indent=1))
    content = model.SerializeToString()
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]

    def program(obs: Obs, is_first: Tensor, carry: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        given = (x.numpy() for x in (*obs.values(), is_first, *carry))
        action, *after = map(torch.as_tensor, session.run(None, dict(zip(names, given, strict=True))))
        return action, after

    return content, program


FORMS = {"torch": Form(_torch, 1e-5), "onnx": Form(_onnx, 1e-3)}


def about(agent: Agent) -> Mapping[str, Any]:
    """Return what a user of the program must know: names, shapes without the batch, and types."""
    spec = agent.config.spec
    obs = {name: {"shape": space.shape, "dtype": space.dtype} for name, space in spec.obs.items()}
    carry = [{"shape": x.shape[1:], "dtype": str(x.dtype)[6:]} for x in tree.leaves(agent.initial(1))]
    action = {"size": spec.action.size, "discrete": spec.action.discrete}
    versions = {"torch": torch.__version__, "python": platform.python_version()}
    env = None if agent.config.env is None else agent.config.env.id
    return {"obs": obs, "carry": carry, "action": action, "env": env, "versions": versions}


@torch.no_grad()
def compare(step: "Step", program: Program, batch: int) -> float:
    """Return the largest difference of actions and carry over some steps, which restart episodes here and there."""
    agent = step.agent
    carry = other = [torch.zeros_like(x) for x in tree.leaves(agent.initial(batch))]
    largest = 0.0
    for number in range(STEPS):
        obs, first = _observations(agent, batch, number)
        (action, carry), (other_action, other) = step(obs, first, carry), program(obs, first, other)
        pairs = zip([action, *carry], [other_action, *other])
        largest = max(largest, *(float((x - y).abs().max()) for x, y in pairs))
    return largest


def _observations(agent: Agent, batch: int, number: int) -> tuple[Obs, Tensor]:
    """Draw observations, and which of them begin an episode: all at first, then one of them every fifth step."""
    generator = torch.Generator().manual_seed(number)
    obs = {}
    for name, space in agent.config.spec.obs.items():
        value = torch.rand(batch, *space.shape, generator=generator)
        obs[name] = (255 * value if space.is_image else value).to(getattr(torch, space.dtype))
    first = torch.full((batch,), number == 0)
    first[0] |= number % 5 == 0
    return obs, first
