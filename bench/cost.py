"""Count what recipes cost without running them: parameters, operations an update and a run, replay and checkpoints.

    python bench/cost.py        # writes bench/results/cost.json

Operations are multiplications and additions of matrix products and convolutions, by PyTorch's `flop_counter`. They are
counted on fake tensors, so sizes that no laptop could run are counted too.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from reverie import recipes, tree
from reverie.models.world_model import WorldModel
from reverie.nn.optimizer import Optimizer
from reverie.runs.config import OnlineConfig
from reverie.runs.update import draw_noise, make_update
from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.testing.batches import random_batch

RESULT = Path(__file__).parent / "results" / "cost.json"
TASKS: dict[str, EnvSpec] = {
    "dm_control/walker-walk-v0": EnvSpec({"pixels": Space((64, 64, 3), "uint8")}, ActionSpace(6, False), 2),
    "ALE/Pong-v5": EnvSpec({"image": Space((64, 64, 1), "uint8")}, ActionSpace(18, True), 4),
}
ROWS = (
    ("dreamer_v1", "laptop", "dm_control/walker-walk-v0"),
    ("dreamer_v1", "paper", "dm_control/walker-walk-v0"),
    ("planet", "laptop", "dm_control/walker-walk-v0"),
    ("planet", "paper", "dm_control/walker-walk-v0"),
    ("dreamer_v2", "laptop", "dm_control/walker-walk-v0"),
    ("dreamer_v2", "paper", "dm_control/walker-walk-v0"),
    ("dreamer_v2", "paper", "ALE/Pong-v5"),
)


class FlopCounter(TorchDispatchMode):
    """Add up the operations of everything that runs inside. `FlopCounterMode` fails where modules have no gradients."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if counted := flop_registry.get(func.overloadpacket):
            self.total += counted(*args, **(kwargs or {}), out_val=out)
        return out


def count(recipe: str, size: str, env_id: str) -> dict[str, Any]:
    """Return the cost of a recipe on a task."""
    config = recipes.build(recipe, size, env_id)
    assert isinstance(config, OnlineConfig)
    spec, training = TASKS[env_id], config.training
    model = WorldModel(config.model, spec)
    learner = config.behavior.build(spec, model.dynamics.feature_size)
    modules = [model] if learner is None else [model, learner]
    parameters = sum(p.numel() for module in modules for p in module.parameters())
    noise = draw_noise(model, learner, training.batch, training.length, torch.Generator())
    batch, mode = random_batch(spec, training.batch, training.length), FakeTensorMode()
    for module in [part for whole in modules for part in whole.modules()]:
        for name, parameter in list(module.named_parameters(recurse=False)):
            module._parameters[name] = torch.nn.Parameter(mode.from_tensor(parameter.detach()))
        module._buffers |= tree.map(mode.from_tensor, module._buffers)
    batch, noise = tree.map(mode.from_tensor, (batch, noise))
    with mode, FlopCounter() as counter:
        optimizers = {"model": Optimizer(config.model.optimizer, model.parameters())}
        optimizers |= learner.optimizers() if learner is not None else {}
        make_update(model, learner, optimizers, "eager")(batch, noise)
    decisions = (training.frames - training.prefill) // config.env.repeat
    updates = training.pretrain + decisions // training.round * training.updates
    image = next(iter(spec.obs.values())).shape
    gflop = counter.total / 1e9
    return {
        "recipe": recipe,
        "size": size,
        "env": env_id,
        "million_parameters": parameters / 1e6,
        "gflop_per_update": gflop,
        "frames": training.frames,
        "updates": updates,
        "petaflop_per_run": gflop * updates / 1e6,
        "replay_gib": min(config.replay.capacity, training.frames // config.env.repeat)
        * torch.Size(image).numel()
        / 2**30,
        # Weights and two moments of each, in all checkpoints of the run. Two of them stay.
        "checkpoints_gib": 3
        * 4
        * parameters
        * (training.frames // config.env.repeat // training.checkpoint_every)
        / 2**30,
    }


if __name__ == "__main__":
    rows = [count(*row) for row in ROWS]
    RESULT.write_text(json.dumps({"command": "python bench/cost.py", "rows": rows}, indent=1) + "\n")
    for row in rows:
        print(json.dumps(row))
