"""Every promise can be broken: for each a part that breaks it, and the sentence that names it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from broken import Built, assert_reported
from torch import nn

from reverie import testing, tree
from reverie.dynamics.latents import GaussianConfig
from reverie.learners.actor_critic import ActorCriticConfig
from reverie.learners.joint_actor_critic import JointActorCriticConfig
from reverie.math import ranks
from reverie.models.vae import VAE, VAEConfig
from reverie.nn.mlp import MLPConfig
from reverie.testing.batches import random_batch, small_spec


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


def takes_the_noise_of_others(learner, original):
    learner.part = lambda noise: tree.map(lambda x: ranks.own(x.flip(0)), noise)


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
        (takes_the_noise_of_others, ["`part` must give the noise of a rank's beliefs"]),
        (has_another_policy, ["must act like the learner's own"]),
        (has_a_wide_value, ["must give one number a state"]),
        (forgets_the_return, ["must have `imagined/return`"]),
    ],
)
def test_broken_learners_are_named(change, sentences):
    complaints = testing.check_learner(changed_learner(change), discrete=(False,))
    for sentence in sentences:
        assert_reported(complaints, sentence)


def test_a_joint_loss_that_changes_the_learner_is_named():
    def build(spec, size):
        learner = JointActorCriticConfig(horizon=2).build(spec, size)
        loss = learner.loss

        def impure(model, trace, noise):
            found = loss(model, trace, noise)
            learner.finish(found[2])
            return found

        learner.loss = impure
        return learner

    assert_reported(testing.check_learner(Built(build), discrete=(False,)), "`loss` must change nothing")


def test_broken_metrics_of_learners_are_named():
    def change(learner, original):
        def update(model, belief, noise, optimizers):
            metrics = original.update(model, belief, noise, optimizers)
            return {"imagined/return": metrics["imagined/return"].expand(2)}

        learner.update = update

    assert_reported(testing.check_learner(changed_learner(change), discrete=(False,)), "without axes")


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
        pytest.param(Frozen, "must reduce the loss", marks=pytest.mark.slow),
    ],
)
def test_broken_generative_models_are_named(broken, sentence):
    config = VAEConfig(image=MLPConfig(1, 8), latent=GaussianConfig(3))
    assert_reported(testing.check_generative(Built(lambda spec: broken(config, spec))), sentence)


class Rows:
    """A recorded part that gives the same columns whatever is asked for."""

    def __init__(self, **changed):
        self.changed = changed

    def sample(self, batch, length):
        return replace(random_batch(small_spec(), batch, length), **self.changed)

    def sequential(self, length, most):
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
        ({}, "also in the part `train`"),
    ],
)
def test_broken_data_are_named(changed, sentence):
    class Data:
        spec, train, test = small_spec(), Rows(**changed), Rows(**changed)

        def load(self, say):
            pass

    assert_reported(testing.check_data(Built(lambda folder, seed, device, generator: Data())), sentence)


def test_data_that_change_are_named():
    class Data:
        spec, test = small_spec(), Rows()

        def __init__(self):
            self.train = Rows(reward=torch.randn(4, 1))

        def load(self, say):
            pass

    assert_reported(testing.check_data(Built(lambda folder, seed, device, generator: Data())), "same bits each time")


def test_names_are_imported_when_asked_for():
    assert set(testing.__all__) == {name for name in testing.__all__ if callable(getattr(testing, name))}
    with pytest.raises(AttributeError, match="no attribute 'check_nothing'"):
        testing.check_nothing  # noqa: B018
