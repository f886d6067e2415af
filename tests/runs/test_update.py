"""Law 5: an update never touches the host. The tests look for host reads, which cost no time on a CPU."""

import copy
from dataclasses import replace

import pytest
import torch
from mocks import behavior_config, model_config, random_batch, spec
from torch import nn
from torch._inductor.codecache import PyCodeCache
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from reverie import recipes, tree
from reverie.errors import UserError
from reverie.learners.evolution import EvolutionConfig
from reverie.models.world_model import WorldModel
from reverie.nn.optimizer import AdamConfig, Optimizer
from reverie.runs.update import UpdateNoise, draw_noise, make_update
from reverie.signals.contrastive import ContrastiveConfig
from reverie.testing.contract import HostRead, NoHostReads


def dreamer_v2():
    config = recipes.build("dreamer_v2", "tiny")
    return config.model, config.behavior


METHODS = {
    "dreamer_v1": lambda: (model_config(), behavior_config()),
    "dreamer_v2": dreamer_v2,
    "evolution": lambda: (model_config(), EvolutionConfig(population=4, horizon=3)),
}
every_method = pytest.mark.parametrize(
    ("method", "discrete"), [("dreamer_v1", False), ("dreamer_v1", True), ("dreamer_v2", True), ("evolution", False)]
)


class Setting:
    """A small model, its learner and all arguments of an update. The same arguments give the same weights."""

    def __init__(self, discrete: bool = False, batch: int = 2, length: int = 4, method: str = "dreamer_v1") -> None:
        torch.manual_seed(0)
        self.spec = spec(image=16, vector=2, action=3, discrete=discrete)
        config, behavior = METHODS[method]()
        self.model = WorldModel(config, self.spec)
        self.learner = behavior.build(self.spec, self.model.dynamics.feature_size)
        self.optimizers = {
            "model": Optimizer(config.optimizer, self.model.parameters()),
            **self.learner.optimizers(),
        }
        self.batch = random_batch(self.spec, batch, length)
        generator = torch.Generator().manual_seed(1)
        self.noise: UpdateNoise = draw_noise(self.model, self.learner, batch, length, generator)
        self.update = make_update(self.model, self.learner, self.optimizers, "eager")

    def weights(self) -> list[torch.Tensor]:
        return [*self.model.parameters(), *self.learner.parameters()]


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
        optimizers = {"model": Optimizer(AdamConfig(), setting.model.parameters()), **learner.optimizers()}
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


def test_every_part_learns():
    setting = Setting()
    before = [x.detach().clone() for x in setting.weights()]
    setting.update(setting.batch, setting.noise)
    assert all(not torch.equal(a, b) for a, b in zip(before, setting.weights()))


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
