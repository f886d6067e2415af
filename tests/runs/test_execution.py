"""The ways of executing: on buffers, recorded and replayed, compiled. All compute what the eager function does.

There is no CUDA graph here. `Operators` records in its place: each operator and its memory, as a graph does, and
nothing of the Python between them. So what would go wrong in a graph does so here too: a count that Python keeps.
"""

import json
import os
import subprocess
import sys

import pytest
import torch
from interruptions import ROOT, SUPPORT
from mocks import random_batch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from updates import Setting, every_method

from reverie import tree
from reverie.errors import UserError
from reverie.nn.laprop import LaPropConfig
from reverie.nn.optimizer import AdamConfig
from reverie.runs.execution import WARM_UP, Replayed, executed
from reverie.runs.update import draw_noise, make_optimizers, make_update
from reverie.testing.contract import HostRead, OneDevice

MORE = WARM_UP + 4


def tensors(values):
    """As `tree.leaves`, without checks of annotations: it is called for every operator."""
    return [x for x in pytree.tree_leaves(values) if isinstance(x, torch.Tensor)]


class Operators(TorchDispatchMode):
    """Records the operators that run inside. A replay computes them again on the same memory."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        # Aliases, because some operators change the axes of a tensor in place: those are no part of the memory.
        aliases = pytree.tree_map_only(torch.Tensor, torch.Tensor.detach, (args, kwargs or {}))
        results = func(*args, **(kwargs or {}))
        if func.__name__.split(".")[0] in ("squeeze_", "unsqueeze_", "t_", "transpose_"):
            return results
        given = {x.untyped_storage().data_ptr() for x in tensors((args, kwargs))}
        made = [(x.detach(), x.untyped_storage().data_ptr() not in given) for x in tensors(results)]
        self.calls.append((func, *aliases, made))
        return results

    @torch.no_grad()
    def replay(self):
        for func, args, kwargs, made in self.calls:
            again = tensors(func(*args, **kwargs))
            for (old, is_fresh), new in zip(made, again, strict=True):
                if is_fresh:  # a view, or a tensor that was changed in place, has changed already
                    old.copy_(new)


def record(compute):
    """Record `compute` without an effect on the tensors `record.owned`, as recording a graph has none."""
    before = [x.clone() for x in record.owned]
    with Operators() as operators:
        results = compute()
    for x, value in zip(record.owned, before, strict=True):
        x.data.copy_(value)
    return operators.replay, results


def state_of(setting):
    """Every tensor that an update may change."""
    rules = [optimizer.rule.state() for optimizer in setting.optimizers.values()]
    return [*setting.model.state_dict().values(), *setting.learner.state_dict().values(), *tree.leaves(rules)]


def data_of(setting, seed):
    generator = torch.Generator().manual_seed(seed)
    batch = random_batch(setting.spec, 2, 4, seed=seed)
    return batch, draw_noise(setting.model, setting.learner, 2, 4, generator)


def assert_equal_updates(one, other, count=MORE):
    for seed in range(count):
        if seed == WARM_UP:
            record.owned = state_of(other)
        expected, metrics = (each.update(*data_of(each, seed)) for each in (one, other))
        assert expected.keys() == metrics.keys()
        assert all(torch.equal(expected[name], metrics[name]) for name in expected), seed
    assert all(torch.equal(a, b) for a, b in zip(state_of(one), state_of(other), strict=True))


@every_method
def test_an_update_on_buffers_equals_the_eager_one(discrete, method):
    one, other = (Setting(discrete, method=method) for _ in range(2))
    other.update = executed(other.update, "graph")
    assert_equal_updates(one, other, 3)


@every_method
@pytest.mark.slow
def test_a_recorded_update_replays_without_python(discrete, method):
    one, other = (Setting(discrete, method=method) for _ in range(2))
    other.update = Replayed(other.update, record)
    assert_equal_updates(one, other)


SCHEDULES = {
    "warm-up and decay": AdamConfig(lr=1e-2, warmup=3, decay=6),
    "epsilon hat": AdamConfig(lr=1e-2, warmup=2, epsilon_hat=True),
    "shrinking": AdamConfig(lr=1e-2, weight_decay=0.1, decay_by="fraction"),
    "LaProp": LaPropConfig(lr=1e-2, warmup=5),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_rates_and_counts_of_a_recording_go_on(schedule):
    settings = [Setting() for _ in range(2)]
    for setting in settings:
        setting.optimizers["model"] = make_optimizers(SCHEDULES[schedule], setting.model, None)["model"]
        setting.update = make_update(setting.model, None, setting.optimizers, "eager")
    settings[1].update = Replayed(settings[1].update, record)
    assert_equal_updates(*settings)


def test_a_count_that_python_keeps_is_noticed():
    """The recorder would let a fault pass if it called Python again."""
    calls = []

    def function(x):
        calls.append(1)
        return x * len(calls)

    record.owned = []
    replayed = Replayed(function, record)
    values = [replayed(torch.ones(1)).item() for _ in range(WARM_UP + 3)]
    assert values == [1, 2, 3, 4, 4, 4]


def test_results_are_values_and_each_signature_has_its_own_buffers():
    replayed = executed(lambda x, y: {"sum": x if y is None else x + y}, "graph")
    x = torch.ones(2)
    first = replayed(x, x)["sum"]
    second = replayed(torch.zeros(2), x)["sum"]
    alone = replayed(x, None)["sum"]
    longer = replayed(torch.ones(3), torch.ones(3))["sum"]
    x += 5
    assert [first.tolist(), second.tolist(), alone.tolist(), longer.tolist()] == [[2, 2], [1, 1], [1, 1], [2, 2, 2]]


def test_what_cannot_be_a_graph_is_one_sentence(monkeypatch):
    from reverie.runs import execution

    class Refuses:
        def __init__(self, graph):
            pass

        def __enter__(self):
            raise RuntimeError("operation not permitted when stream is capturing\nmore")

        def __exit__(self, *error):
            return False

    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: None)
    monkeypatch.setattr(torch.cuda, "graph", Refuses)
    with pytest.raises(UserError, match=r"CUDA graph \(operation not permitted .*\): some part .*execution eager"):
        execution.record_graph(lambda: None)


@pytest.mark.parametrize(
    "move",
    [
        lambda x: x.new_tensor([1.0, 2.0]),
        lambda x: torch.ones(2).to(x.device),
        lambda x: x.to("cpu"),
        lambda x: x * torch.ones(()),
    ],
)
def test_data_that_move_are_noticed(move):
    x = torch.ones(2, device="meta")
    with pytest.raises(HostRead), OneDevice(x.device):
        move(x)
    with OneDevice(x.device):
        (x * 2 + torch.arange(2, device=x.device)).sum()


@pytest.mark.slow
def test_a_compiled_update_is_the_eager_one_and_breaks_in_optimizers_alone(tmp_path):
    """Its graph ends at the gradient and within PyTorch's own optimizer, at no operation of a model."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, SUPPORT / "compiled_update.py"], env=environment, capture_output=True, text=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["difference"] < 1e-5
    known = ("torch.autograd.grad", "torch._dynamo.graph_break()", "_fused_adam")
    assert [reason for reason in found["breaks"] if not any(name in reason for name in known)] == []
