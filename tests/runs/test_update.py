"""Law 5: an update never touches the host. The tests look for host reads, which cost no time on a CPU."""

import copy
from dataclasses import replace

import pytest
import torch
from mocks import model_config
from torch import nn
from torch._inductor.codecache import PyCodeCache
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from updates import Setting, every_method

from reverie import tree
from reverie.data.latent_replay import LatentReplay
from reverie.errors import UserError
from reverie.models.world_model import WorldModel
from reverie.nn.optimizer import AdamConfig, Optimizer
from reverie.runs.update import draw_noise, make_optimizers, make_update
from reverie.signals.contrastive import ContrastiveConfig
from reverie.signals.divergence import Divergence
from reverie.testing.contract import HostRead, NoHostReads
from reverie.types import Context


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.sum().item(),
        lambda x: float(x.mean()),
        lambda x: bool((x > 0).any()),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: torch.equal(x, x),
        lambda x: torch.full((2,), x.sum().item()),
        lambda x: x.unique(),
    ],
)
def test_a_host_read_is_detected(read):
    with pytest.raises(HostRead), NoHostReads():
        read(torch.randn(3))


@every_method
def test_an_update_never_reads_a_value(discrete, method):
    setting = Setting(discrete, method=method)
    with NoHostReads():
        metrics = setting.update(setting.batch, setting.noise)
    assert metrics["loss/model"].isfinite()


@every_method
@pytest.mark.slow
def test_an_update_runs_on_tensors_that_have_no_values(discrete, method):
    """Also detect `.tolist()`, `.numpy()` and the like, which call no operator."""
    setting, mode = Setting(discrete, method=method), FakeTensorMode()
    learner = setting.learner
    for module in [*setting.model.modules(), *learner.modules()]:
        for name, parameter in list(module.named_parameters(recurse=False)):
            module._parameters[name] = nn.Parameter(mode.from_tensor(parameter.detach()))
        module._buffers |= tree.map(mode.from_tensor, module._buffers)
    batch, noise = tree.map(mode.from_tensor, (setting.batch, setting.noise))
    with mode:
        optimizers = make_optimizers(AdamConfig(), setting.model, learner)
        metrics = make_update(setting.model, learner, optimizers, "eager")(batch, noise)
        assert all(x.shape == () for x in metrics.values())
        for read in (torch.Tensor.item, torch.Tensor.tolist):
            with pytest.raises((DataDependentOutputException, RuntimeError)):
                read(metrics["loss/model"])


def test_noise_comes_from_the_generator_alone():
    setting = Setting()
    draws = []
    for seed, global_seed in [(1, 5), (1, 6), (2, 5)]:
        torch.manual_seed(global_seed)
        noise = draw_noise(setting.model, setting.learner, 2, 4, torch.Generator().manual_seed(seed))
        draws.append(torch.cat([noise.model.flatten(), noise.behavior.dynamics.flatten()]))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@every_method
def test_same_noise_batch_and_weights_give_the_same_bits(discrete, method):
    one, two = Setting(discrete, method=method), Setting(discrete, method=method)
    first = one.update(one.batch, one.noise)
    torch.manual_seed(99)  # nothing is drawn from the global generator
    torch.rand(7)
    second = two.update(two.batch, two.noise)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(torch.equal(a, b) for a, b in zip(one.weights(), two.weights()))


def test_metrics_are_scalars_that_hold_no_graph():
    setting = Setting()
    metrics = setting.update(setting.batch, setting.noise)
    expected = {"loss/model", "loss/reconstruction", "loss/actor", "loss/value", "grad_norm/model", "divergence"}
    assert expected <= metrics.keys()
    for name, x in metrics.items():
        assert x.shape == (), name
        assert not x.requires_grad, name
        assert x.isfinite(), name


def test_metrics_are_of_the_weights_before_the_step():
    """A contrastive bound and its loss add up to the cap. Measured after the step they would not."""
    setting = Setting()
    signals = {"contrastive": ContrastiveConfig()}
    setting.model = WorldModel(replace(model_config(), signals=signals, weights={"contrastive": 1.0}), setting.spec)
    optimizers = {"model": Optimizer(AdamConfig(lr=0.1), setting.model.dynamics.parameters())}
    metrics = make_update(setting.model, None, optimizers, "eager")(setting.batch, setting.noise)
    total = metrics["contrastive/bound"] + metrics["loss/contrastive"]
    torch.testing.assert_close(total, metrics["contrastive/cap"])


@every_method
def test_every_part_learns(discrete, method):
    """Also what only follows: the slow value of DreamerV3, whose head of zeros learns before what is below it."""
    setting = Setting(discrete, method=method)
    for signal in setting.model.signals.values():
        if isinstance(signal, Divergence):  # below the free nats nothing trains the prior
            signal.config = replace(signal.config, free=0.0)
    learned = [*setting.model.parameters(), *setting.learner.parameters()]
    if method == "dreamer_v2":
        learned = [parameter for parameter in learned if parameter.requires_grad]  # its target moves later
    before = [x.detach().clone() for x in learned]
    for _ in range(3):
        setting.update(setting.batch, setting.noise)
    assert all(not torch.equal(a, b) for a, b in zip(before, learned))


def joint_setting():
    """A model and a joint learner whose step shows the size of the gradient."""
    setting = Setting(method="dreamer_v3")
    setting.optimizers = make_optimizers(AdamConfig(lr=1.0, eps=1.0, clip=1e9), setting.model, setting.learner)
    setting.update = make_update(setting.model, setting.learner, setting.optimizers, "eager")
    return setting


def test_a_joint_learner_is_stepped_by_the_sum_of_both_losses():
    setting, expected = joint_setting(), joint_setting()
    metrics = setting.update(setting.batch, setting.noise)
    trace = expected.model.trace(expected.batch, expected.noise.model)
    loss = expected.model.total(expected.model.losses(trace))
    loss = loss + expected.learner.loss(expected.model, trace, expected.noise.behavior)[0]
    parameters = [p for p in expected.weights() if p.requires_grad]
    gradients = torch.autograd.grad(loss, parameters)
    for parameter, gradient in zip(parameters, gradients):
        parameter.data -= gradient / (gradient.abs() + 1)
    changed = [p for p in setting.weights() if p.requires_grad]
    for found, wanted in zip(changed, parameters, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert list(setting.optimizers) == ["model"]
    assert {"grad_norm/model", "loss/model", "loss/actor", "loss/value", "loss/replay_value"} <= metrics.keys()


def test_an_update_overwrites_the_latents_of_its_batch():
    setting, ring = Setting(method="dreamer_v3"), {}

    class Latents(LatentReplay):
        def __init__(self):
            pass

        def write_latents(self, columns, states):
            ring.update(columns=columns, states=states)

    update = make_update(setting.model, setting.learner, setting.optimizers, "eager", Latents())
    update(setting.batch, setting.noise)
    assert not ring  # a batch without a context is from elsewhere
    belief, columns = setting.model.dynamics.initial(2), torch.arange(8).view(2, 4)
    batch = replace(setting.batch, context=Context(belief, torch.zeros(2, 3), columns))
    expected = setting.model.trace(batch, setting.noise.model).posterior
    update(batch, setting.noise)
    assert torch.equal(ring["columns"], columns)
    assert torch.equal(ring["states"].deter, expected.deter)


def test_the_update_equals_a_plain_adam_step_for_every_parameter():
    """A fused step once gave the decoder's last kernel its gradient in the wrong memory layout."""
    setting = Setting()
    config = AdamConfig(lr=1.0, eps=1.0, clip=1e9)  # such an epsilon shows the gradient's size, not just its sign
    setting.optimizers["model"] = Optimizer(config, setting.model.parameters())
    expected = copy.deepcopy(setting.model)
    trace = expected.trace(setting.batch, setting.noise.model)
    expected.total(expected.losses(trace)).backward()
    plain = torch.optim.Adam(expected.parameters(), lr=config.lr, eps=config.eps, foreach=False, fused=False)
    plain.step()
    make_update(setting.model, setting.learner, setting.optimizers, "eager")(setting.batch, setting.noise)
    for name, parameter in setting.model.named_parameters():
        torch.testing.assert_close(
            parameter, expected.get_parameter(name), msg=lambda text, name=name: f"{name}: {text}"
        )


def test_a_broken_cache_of_the_compiler_is_one_sentence(tmp_path, monkeypatch):
    """The cache's own loader meets a file that is cut in the middle. Other errors stay what they are."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    call = lambda batch, noise: PyCodeCache.load("def call(args):\n    '''cut")  # noqa: E731
    monkeypatch.setattr(torch, "compile", lambda update: call)
    setting = Setting()
    update = make_update(setting.model, setting.learner, setting.optimizers, "compiled")
    with pytest.raises(UserError, match=rf"SyntaxError.*\): delete its cache {tmp_path}, where a file may be") as error:
        update(setting.batch, setting.noise)
    assert "\n" not in str(error.value)
    call = lambda batch, noise: torch.ones(2) @ torch.ones(3)  # noqa: E731
    with pytest.raises(RuntimeError, match="size"):
        make_update(setting.model, setting.learner, setting.optimizers, "compiled")(setting.batch, setting.noise)
