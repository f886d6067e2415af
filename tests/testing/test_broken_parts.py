"""Every promise can be broken: for each, a part that breaks it, and the sentence that names it."""

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from reverie import testing
from reverie.dynamics.deterministic import Deterministic, DeterministicConfig, DeterministicState
from reverie.dynamics.forward_models import LinearForward
from reverie.dynamics.latents import Gaussian, GaussianConfig
from reverie.learners.actor_critic import ActorCriticConfig
from reverie.models.vae import VAE, VAEConfig
from reverie.nn.mlp import MLPConfig
from reverie.planning.cem import CEMConfig
from reverie.signals.reward import Reward, RewardConfig
from reverie.testing.batches import random_batch, small_spec, small_world_model
from reverie.types import Plan


@dataclass(frozen=True)
class Built:
    """A config that builds by a function."""

    function: Any

    def build(self, *arguments: Any) -> Any:
        return self.function(*arguments)


def says(complaints: list[str], sentence: str) -> None:
    assert any(sentence in complaint for complaint in complaints), complaints


@dataclass
class Mutable:
    value: torch.Tensor


class Memory(Deterministic):
    """It counts its steps."""

    steps = 0

    def correct(self, prior, embed, noise):
        self.steps += 1
        return DeterministicState(self.encode(embed) * self.steps)


class Neighbors(Deterministic):
    def correct(self, prior, embed, noise):
        return DeterministicState(self.encode(embed - embed.mean(0)))


class Summed(Deterministic):
    def divergence(self, posterior, prior):
        return super().divergence(posterior, prior) * prior.value.dim()


class Drawn(Deterministic):
    def predict(self, state, action, noise):
        return DeterministicState(super().predict(state, action, noise).value + torch.randn_like(state.value))


class Still(Deterministic):
    def predict(self, state, action, noise):
        return DeterministicState(state.value)


class Unused(Deterministic):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.spare = nn.Linear(2, 2)


class Far(Deterministic):
    def divergence(self, posterior, prior):
        return super().divergence(posterior, prior) + 100


class Negative(Deterministic):
    def divergence(self, posterior, prior):
        return -super().divergence(posterior, prior)


class Zero(Deterministic):
    def divergence(self, posterior, prior):
        return 0 * super().divergence(posterior, prior)


class Thawed(Deterministic):
    def initial(self, batch):
        return Mutable(torch.zeros(batch, self.feature_size))  # pyrefly: ignore


class Narrow(Deterministic):
    def features(self, state):
        return state.value[..., :-1]


class Raises(Deterministic):
    def features(self, state):
        raise RuntimeError("out of order")


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Thawed, "must be frozen"),
        (Narrow, "`features` must have the last axis `feature_size`"),
        (Summed, "at each step what the step gives alone"),
        (Neighbors, "the same result in another batch"),
        (Memory, "must equal a fresh start"),
        (Memory, "must give the same bits"),
        (Drawn, "must equal repeated `predict`"),
        (Far, "from itself must be 0"),
        (Far, "must cut the loss"),
        (Negative, "must never be negative"),
        (Zero, "it measures nothing"),
        (Still, "with respect to the first action must not be 0"),
        (Unused, "reaches the parameters spare.weight, spare.bias"),
        (Raises, "RuntimeError: out of order"),
    ],
)
def test_broken_dynamics_are_named(broken, sentence):
    config = DeterministicConfig(size=6)
    says(testing.check_dynamics(Built(lambda embed, action: broken(config, embed, action))), sentence)


def test_noise_from_elsewhere_is_named():
    class Global(Gaussian):
        def noise(self, *shape, generator):
            return torch.randn(*shape, self.noise_size)

    says(testing.check_latent(Built(lambda: Global(GaussianConfig(4)))), "from the given generator alone")

    class Noisy(Deterministic):
        def noise(self, *shape, generator):
            return torch.randn(*shape, 3)

    def build(embed, action):
        dynamics = Noisy(DeterministicConfig(size=6), embed, action)
        dynamics.noise_size = 3
        return dynamics

    says(testing.check_dynamics(Built(build)), "from the given generator alone")


def test_what_cannot_be_built_is_named():
    says(testing.check_dynamics(Built(lambda embed: None)), "It cannot be built: TypeError")


class Wide(Gaussian):
    def sample(self, stats, noise):
        return torch.cat([stats.mean, stats.mean], -1)


class Redrawn(Gaussian):
    def sample(self, stats, noise):
        return stats.mean + torch.randn_like(stats.mean)


class Blended(Gaussian):
    def sample(self, stats, noise):
        return stats.mean + torch.arange(len(stats.mean)).reshape(-1, *[1] * (stats.mean.dim() - 1))


class Apart(Gaussian):
    def divergence(self, posterior, prior):
        return super().divergence(posterior, prior) + 1


class Backward(Gaussian):
    def divergence(self, posterior, prior):
        return -super().divergence(posterior, prior)


class Detached(Gaussian):
    def sample(self, stats, noise):
        return stats.mean.detach()


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Wide, "last axis `sample_size`"),
        (Redrawn, "same noise must give the same sample"),
        (Blended, "must permute the samples"),
        (Apart, "from itself must be 0"),
        (Backward, "must be positive"),
        (Detached, "must reach the network's output"),
    ],
)
def test_broken_latents_are_named(broken, sentence):
    says(testing.check_latent(Built(lambda: broken(GaussianConfig(4)))), sentence)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (lambda net, z, a: net(z, a)[..., :-1], "the shape of the encoding"),
        (lambda net, z, a: net(z, a) + torch.randn_like(z), "must give the same bits"),
        (lambda net, z, a: net(z - z[:1], a), "must permute the predictions"),
        (lambda net, z, a: net(z, 0 * a), "must depend on the action"),
        (lambda net, z, a: z + a.sum(-1, keepdim=True), "reaches the parameters net.net.weight"),
    ],
)
def test_broken_forward_models_are_named(broken, sentence):
    class Model(nn.Module):
        def __init__(self, size, action):
            super().__init__()
            self.net = LinearForward(size, action)

        def forward(self, z, a):
            return broken(self.net, z, a)

    says(testing.check_forward_model(Built(Model)), sentence)


class Signal(Reward):
    def __init__(self, change, spec, size):
        super().__init__(RewardConfig(MLPConfig(1, 8)), size)
        self.change = change

    def loss(self, trace):
        return self.change(super().loss, trace)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda loss, trace: loss(trace)[0], "one number a step"),
        (lambda loss, trace: loss(trace) / 0, "must be finite"),
        (lambda loss, trace: loss(trace) * torch.arange(1.0, 4)[:, None], "must permute the loss"),
        (lambda loss, trace: loss(trace).detach(), "has no gradient"),
        (lambda loss, trace: trace.features.square().sum(-1), "reaches the signal's parameters"),
        (lambda loss, trace: loss(replace(trace, features=trace.features.detach())), "reaches the model"),
        (lambda loss, trace: -loss(trace).clamp(max=0) + 1e3, "must cut the loss"),
        (lambda loss, trace: loss(trace) * float(trace.batch.reward.mean() < 9), "reads a tensor's value"),
    ],
)
def test_broken_signals_are_named(change, sentence):
    says(testing.check_signal(Built(lambda spec, size: Signal(change, spec, size))), sentence)


def test_broken_metrics_are_named():
    class Metrics(Reward):
        def metrics(self, trace):
            return {"reward": trace.batch.reward}

    config = RewardConfig(MLPConfig(1, 8))
    says(testing.check_signal(Built(lambda spec, size: Metrics(config, size))), "finite tensors without axes")


def shortened(plan: Plan) -> Plan:
    return Plan(plan.mean[:, :1], plan.std[:, :1], plan.elites[:, :, :1])


def halved(plan: Plan) -> Plan:
    return replace(plan, mean=plan.mean / 2, elites=plan.elites / 2)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda plan, score, start, noise: shortened(plan(score, start, noise)), "plan's mean"),
        (lambda plan, score, start, noise: start, "must beat the plan"),
        (lambda plan, score, start, noise: halved(plan(score, start, noise)), "must be found in ten calls"),
        (lambda plan, score, start, noise: start, "Other noise must give another plan"),
        (lambda plan, score, start, noise: plan(lambda x: x.sum((2, 3)), start, noise), "must depend on the score"),
        (lambda plan, score, start, noise: plan(lambda x: score(2 * x), start, noise), "within the action bounds"),
        (lambda plan, score, start, noise: plan(score, start, torch.randn_like(noise)), "bit for bit"),
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

    says(testing.check_planner(Built(build)), sentence)


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
    model = small_world_model(small_spec())
    config = Built(lambda model, value: lambda states, actions: objective(model.dynamics.features(states)))
    says(testing.check_objective(config, model), sentence)


def changed_learner(change):
    config = ActorCriticConfig(horizon=3)

    def build(spec, size):
        learner = config.build(spec, size)
        original = SimpleNamespace(update=learner.update, noise=learner.noise, optimizers=learner.optimizers)
        change(learner, original)
        return learner

    return Built(build)


def spoils_the_model(learner, original):
    def update(model, belief, noise, optimizers):
        next(model.parameters()).data.add_(1)
        return original.update(model, belief, noise, optimizers)

    learner.update = update


def leaves_gradients(learner, original):
    def update(model, belief, noise, optimizers):
        metrics = original.update(model, belief, noise, optimizers)
        next(model.parameters()).grad = torch.ones_like(next(model.parameters()))
        return metrics

    learner.update = update


def rests(learner, original):
    learner.update = lambda *arguments: {"imagined/loss": torch.zeros(2)}


def draws(learner, original):
    def update(model, belief, noise, optimizers):
        metrics = original.update(model, belief, noise, optimizers)
        next(learner.policy.parameters()).data.add_(torch.randn(()))
        return metrics

    learner.update = update
    learner.noise = lambda model, batch, generator: original.noise(model, batch, torch.Generator().manual_seed(1))


def steps_others(learner, original):
    others = SimpleNamespace(parameters=[nn.Parameter(torch.zeros(1))])
    learner.optimizers = lambda: original.optimizers() | {"others": others}


def has_another_policy(learner, original):
    learner.policy.forward = lambda features, noise: torch.zeros(len(features), 3)


def has_a_wide_value(learner, original):
    learner.value = nn.Identity()


def forgets_the_return(learner, original):
    def update(*arguments):
        original.update(*arguments)
        return {}

    learner.update = update


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (spoils_the_model, ["must not change the world model"]),
        (leaves_gradients, ["leave no gradients"]),
        (rests, ["must change the policy", "Other noise must give other weights"]),
        (draws, ["same noise must give the same weights", "from the given generator alone"]),
        (steps_others, ["must step the learner's own parameters"]),
        (has_another_policy, ["must act like the learner's own"]),
        (has_a_wide_value, ["must give one number a state"]),
        (forgets_the_return, ["must have `imagined/return`"]),
    ],
)
def test_broken_learners_are_named(change, sentences):
    complaints = testing.check_learner(changed_learner(change), discrete=(False,))
    for sentence in sentences:
        says(complaints, sentence)


def test_broken_metrics_of_learners_are_named():
    def change(learner, original):
        def update(model, belief, noise, optimizers):
            metrics = original.update(model, belief, noise, optimizers)
            return {"imagined/return": metrics["imagined/return"].expand(2)}

        learner.update = update

    says(testing.check_learner(changed_learner(change), discrete=(False,)), "without axes")


class Misnamed(VAE):
    def losses(self, trace):
        return {"other": super().losses(trace)["reconstruction"]}


class Random(VAE):
    def trace(self, batch, noise):
        return super().trace(batch, self.noise(*batch.action.shape[:2], torch.Generator().manual_seed(torch.seed())))


class Restless(VAE):
    def trace(self, batch, noise):
        noise = torch.randn(*batch.action.shape[:2], 3) if noise is None else noise
        return super().trace(batch, noise)


class Batched(VAE):
    def losses(self, trace):
        place = torch.arange(len(trace.sample))[:, None]
        return {name: loss + place for name, loss in super().losses(trace).items()}


class Overconfident(VAE):
    def evidence(self, batch, noise):
        return super().evidence(batch, noise) - 10 * len(noise)


class Bright(VAE):
    def imagine(self, condition, noise):
        return super().imagine(condition, noise) + 2


class Frozen(VAE):
    def total(self, losses):
        return super().total(losses).detach() + 0 * next(self.parameters()).sum()


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Misnamed, "of `weights` must be the same"),
        (Random, "must give the same losses"),
        (Restless, "must be the same every time"),
        (Batched, "must permute the losses"),
        (Overconfident, "must not be below the bound"),
        (Bright, "intensities from 0 to 1"),
        (Frozen, "must cut the loss"),
    ],
)
def test_broken_generative_models_are_named(broken, sentence):
    config = VAEConfig(image=MLPConfig(1, 8), latent=GaussianConfig(3))
    says(testing.check_generative(Built(lambda spec: broken(config, spec))), sentence)


class Rows:
    """A recorded part that gives the same columns whatever is asked for."""

    def __init__(self, **changed):
        self.changed = changed

    def sample(self, batch, length):
        return replace(random_batch(small_spec(), batch, length), **self.changed)

    def in_order(self, length, most):
        return self.sample(4, length)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"obs": {}}, "lacks the observation `pixels`"),
        ({"obs": {"pixels": torch.zeros(4, 1, 8, 8, 3), "state": torch.zeros(4, 1, 3)}}, "another shape"),
        ({"obs": {"pixels": torch.zeros(4, 1, 16, 16, 3), "state": torch.zeros(4, 1, 3)}}, "another type"),
        ({"action": torch.zeros(4, 1, 5)}, "another size"),
        ({"action": torch.full((4, 1, 2), 2.0)}, "must lie in [-1, 1]"),
        ({"reward": torch.full((4, 1), torch.nan)}, "Rewards of `train` must be finite"),
        ({"is_terminal": torch.ones(4, 1, dtype=torch.bool)}, "must be the last of its episode"),
        ({}, "they test nothing"),
    ],
)
def test_broken_data_are_named(changed, sentence):
    class Data:
        spec, train, test = small_spec(), Rows(**changed), Rows(**changed)

        def load(self, say):
            pass

    says(testing.check_data(Built(lambda folder, seed, device, generator: Data())), sentence)


def test_data_that_change_are_named():
    class Data:
        spec, test = small_spec(), Rows()

        def __init__(self):
            self.train = Rows(reward=torch.randn(4, 1))

        def load(self, say):
            pass

    says(testing.check_data(Built(lambda folder, seed, device, generator: Data())), "same bits each time")


def test_names_are_imported_when_asked_for():
    assert set(testing.__all__) == {name for name in testing.__all__ if callable(getattr(testing, name))}
    with pytest.raises(AttributeError, match="no attribute 'check_nothing'"):
        testing.check_nothing  # noqa: B018
