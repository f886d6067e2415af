"""Every promise can be broken: for each a part that breaks it, and the sentence that names it."""

from dataclasses import replace

import pytest
import torch
from broken import Built, assert_reported

from reverie import testing
from reverie.nn.mlp import MLPConfig
from reverie.planning.cem import CEMConfig
from reverie.signals.reward import Reward, RewardConfig
from reverie.testing.batches import small_model_config, small_spec
from reverie.types import Plan


class Signal(Reward):
    def __init__(self, change, spec, size):
        super().__init__(RewardConfig(MLPConfig(1, 8)), size)
        self.change = change

    def loss(self, trace):
        return self.change(super().loss, trace)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda loss, trace: loss(trace)[0], "the shape (B, T), one number a step"),
        (lambda loss, trace: loss(trace) / 0, "must be finite"),
        (lambda loss, trace: loss(trace) * torch.arange(1.0, 4)[:, None], "must permute the loss"),
        (lambda loss, trace: loss(trace).detach(), "has no gradient"),
        (lambda loss, trace: trace.features.square().sum(-1), "No gradient of the loss reaches the parameters"),
        (lambda loss, trace: loss(replace(trace, features=trace.features.detach())), "reaches the model"),
        pytest.param(
            *(lambda loss, trace: -loss(trace).clamp(max=0) + 1e3, "must reduce the loss"), marks=pytest.mark.slow
        ),
        (lambda loss, trace: loss(trace) * loss(trace).mean(), "needs `reverie.math.ranks`"),
        (lambda loss, trace: loss(trace) * float(trace.batch.reward.mean() < 9), "reads a tensor's value"),
    ],
)
def test_broken_signals_are_named(change, sentence):
    assert_reported(testing.check_signal(Built(lambda spec, size: Signal(change, spec, size))), sentence)


def test_broken_metrics_are_named():
    class Metrics(Reward):
        def metrics(self, trace):
            return {"reward": trace.batch.reward}

    config = RewardConfig(MLPConfig(1, 8))
    assert_reported(
        testing.check_signal(Built(lambda spec, size: Metrics(config, size))), "finite tensors without axes"
    )


def shortened(plan: Plan) -> Plan:
    return Plan(plan.mean[:, :1], plan.std[:, :1], plan.elites[:, :, :1])


def halved(plan: Plan) -> Plan:
    return replace(plan, mean=plan.mean / 2, elites=plan.elites / 2)


def soft(plan: Plan) -> Plan:
    return replace(plan, elites=(plan.elites + 0.1).softmax(-1))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda plan, score, start, noise: shortened(plan(score, start, noise)), "plan's mean"),
        (lambda plan, score, start, noise: start, "must beat the plan"),
        (lambda plan, score, start, noise: halved(plan(score, start, noise)), "must find the optimum"),
        (lambda plan, score, start, noise: start, "Other noise must lead to other candidates"),
        (lambda plan, score, start, noise: plan(lambda x: x.sum((2, 3)), start, noise), "must depend on the score"),
        (lambda plan, score, start, noise: plan(lambda x: score(2 * x), start, noise), "within the action bounds"),
        (lambda plan, score, start, noise: soft(plan(score, start, noise)), "must be one-hot vectors"),
        (lambda plan, score, start, noise: plan(score, start, torch.randn_like(noise)), "bit for bit"),
        (lambda plan, score, start, noise: plan(score, start, noise[:, :1].expand_as(noise)), "must permute the plans"),
        (
            lambda plan, score, start, noise: plan(lambda x: score(x).mean(0).expand(3, -1), start, noise),
            "must not depend on the others",
        ),
        (
            lambda plan, score, start, noise: plan((lambda x: -score(x)) if start.mean.any() else score, start, noise),
            "must not be worse",
        ),
    ],
)
def test_broken_planners_are_named(change, sentence):
    def build(action):
        cem = CEMConfig(horizon=4, candidates=50, elites=5, iterations=5).build(action)

        class Planner:
            config, start, noise = cem.config, staticmethod(cem.start), staticmethod(cem.noise)

            def __call__(self, score, start, noise):
                return change(cem, score, start, noise)

        return Planner()

    assert_reported(testing.check_planner(Built(build)), sentence)


@pytest.mark.parametrize(
    ("objective", "sentence"),
    [
        (lambda features: features.sum((1, 2))[:, None], "one number for each trajectory"),
        (lambda features: features.sum((1, 2)) / 0, "must be finite"),
        (lambda features: features.sum((1, 2)) * torch.arange(1, 6), "must permute their scores"),
        (lambda features: features.detach().sum((1, 2)), "must reach the actions"),
    ],
)
def test_broken_objectives_are_named(objective, sentence):
    torch.manual_seed(0)
    model = small_model_config().build(small_spec())
    config = Built(lambda model, value: lambda states, actions: objective(model.dynamics.features(states)))
    assert_reported(testing.check_objective(config, model), sentence)
