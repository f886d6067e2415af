"""Layers in bfloat16: near to float32, and float32 everywhere but in their products."""

import copy

import pytest
import torch
from mocks import model_config, random_batch, spec
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from reverie import recipes, tree
from reverie.models.world_model import WorldModel
from reverie.nn.precision import set_precision
from reverie.runs.update import draw_noise, make_optimizers, make_update

METHODS = ("dreamer_v1", "dreamer_v2", "dreamer_v3", "planet")
PRODUCTS = {"mm", "addmm", "bmm", "convolution", "convolution_backward", "mkldnn_convolution", "_to_copy"}
VIEWS = {"t", "view", "transpose", "permute", "detach", "expand", "_unsafe_view", "unsqueeze", "alias", "clone"}
"""What may touch bfloat16: products and their casts, views, a layer's bias, and the sum that is its gradient."""


def test_a_lowered_gru_is_pytorchs():
    cell = nn.GRUCell(7, 5)
    x, h = torch.randn(3, 7), torch.randn(3, 5)
    expected = cell(x, h)
    set_precision(cell, "bfloat16")
    found = cell(x, h)
    assert found.dtype == torch.float32
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02)
    with torch.autocast("cpu", enabled=False), pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "autocast", lambda *given, **named: torch.enable_grad())
        torch.testing.assert_close(cell(x, h), expected)  # without the rounding it is the same function


def setting(method, precision):
    torch.manual_seed(0)
    config, observed = recipes.build(method, "tiny", "Pendulum-v1"), spec(image=16, vector=2)
    model = WorldModel(config.model, observed)
    learner = config.behavior.build(observed, model.dynamics.feature_size)
    optimizers = make_optimizers(config.model.optimizer, model, learner)
    for module in (model, learner):
        if module is not None:
            set_precision(module, precision)
    noise = draw_noise(model, learner, 2, 4, torch.Generator().manual_seed(1))
    return model, learner, make_update(model, learner, optimizers, "eager"), random_batch(observed, 2, 4), noise


class Bfloat16Elsewhere(TorchDispatchMode):
    """Collect the operators on bfloat16 that are no products."""

    def __init__(self):
        super().__init__()
        self.found, self.products = set(), 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if any(x.dtype == torch.bfloat16 for x in tree.leaves([list(args), result])):
            name = func.__name__.split(".")[0]
            self.products += name in ("mm", "addmm", "convolution", "mkldnn_convolution")
            self.found |= {name} - PRODUCTS - VIEWS - {"add", "sum"}
        return result


@pytest.mark.parametrize("method", METHODS)
def test_only_products_are_bfloat16(method):
    model, learner, update, batch, noise = setting(method, "bfloat16")
    with Bfloat16Elsewhere() as elsewhere:
        metrics = update(batch, noise)
    assert elsewhere.found == set()
    assert elsewhere.products > 10
    tensors = [*metrics.values(), *model.state_dict().values(), *(learner.state_dict().values() if learner else ())]
    assert all(x.dtype != torch.bfloat16 for x in tensors)
    metrics_of_float32 = setting(method, "float32")[2](batch, noise)
    for name in metrics:
        if name.startswith("loss/"):
            torch.testing.assert_close(
                metrics[name],
                metrics_of_float32[name],
                rtol=0.03,
                atol=0.03,
                msg=(name + ": {}").format,
            )


def test_a_batch_is_learned_by_heart_as_in_float32():
    losses = {}
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(0)
        observed = spec(image=16, vector=2)
        model = WorldModel(model_config(), observed)
        set_precision(model, precision)
        update = make_update(model, None, make_optimizers(model_config().optimizer, model, None), "eager")
        batch, noise = random_batch(observed, 2, 4), draw_noise(model, None, 2, 4, torch.Generator().manual_seed(1))
        losses[precision] = [update(batch, noise)["loss/model"].item() for _ in range(40)]
    fall = {precision: values[0] - values[-1] for precision, values in losses.items()}
    assert fall["float32"] > 5
    assert fall["bfloat16"] == pytest.approx(fall["float32"], rel=0.1)


def test_a_copy_of_a_lowered_module_computes_with_its_own_weights():
    layer = nn.Sequential(nn.Linear(3, 2))
    set_precision(layer, "bfloat16")
    twin, x = copy.deepcopy(layer), torch.ones(1, 3)
    with torch.no_grad():
        layer[0].weight.zero_()
    assert not torch.equal(twin(x), layer(x))
