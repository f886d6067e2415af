"""Check a learner against the contracts of `reverie.learners.base`: one that steps itself, and a joint one."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from reverie import tree
from reverie.learners.base import JointLearner
from reverie.math import ranks
from reverie.nn.optimizer import AdamConfig, Optimizer
from reverie.testing.batches import random_batch, small_model_config, small_spec
from reverie.testing.contract import close, identical, require, require_seeded, seeded, violations
from reverie.testing.ranks import on_ranks

BATCH, TIME = 2, 4
BELIEFS = BATCH * TIME


def check_learner(config: Any, discrete: tuple[bool, ...] = (False, True)) -> list[str]:
    """Check `config.build(spec, feature_size)` in a small world model with random weights.

    The check is repeated for continuous (False) and discrete (True) actions. Returns a sentence for each violation.
    """
    sentences = [sentence for kind in discrete for sentence in violations(LearnerContract, config, kind)]
    return list(dict.fromkeys(sentences))


class LearnerContract:
    """A learner, and a world model with random weights."""

    def __init__(self, config: Any, discrete: bool) -> None:
        self._spec = small_spec(action=3, discrete=discrete)
        self._model = small_model_config().build(self._spec)
        self._features = self._model.dynamics.feature_size
        self._learner = config.build(self._spec, self._features)

    def _noise(self, generator: torch.Generator) -> Any:
        return self._learner.noise(self._model, BELIEFS, generator)

    def _joint_loss(self, learner: JointLearner, seed: int = 0) -> tuple[Tensor, dict[str, Tensor], Any]:
        batch = random_batch(self._spec, BATCH, TIME)
        trace = self._model.trace(batch, self._model.noise(BATCH, TIME, seeded(1)))
        return learner.loss(self._model, trace, self._noise(seeded(seed)))

    def _update(self, seed: int = 0) -> dict[str, Tensor]:
        if isinstance(self._learner, JointLearner):
            loss, metrics, statistics = self._joint_loss(self._learner, seed)
            own = [parameter for parameter in self._learner.parameters() if parameter.requires_grad]
            Optimizer(AdamConfig(), own).step(loss)
            self._learner.finish(statistics)
            return metrics
        initial = self._model.dynamics.initial(BELIEFS)
        belief = tree.map(lambda x: x + 0.1 if x.is_floating_point() else x, initial)
        return self._learner.update(self._model, belief, self._noise(seeded(seed)), self._learner.optimizers())

    def update_changes_the_policy_alone(self) -> None:
        policy, model = _weights(self._learner.policy), _weights(self._model)
        metrics = self._update()
        require(not identical(policy, _weights(self._learner.policy)), "An update must change the policy.")
        require(identical(model, _weights(self._model)), "An update must not change the world model.")
        untouched = all(parameter.grad is None for parameter in self._model.parameters())
        require(untouched, "An update must leave no gradients in the world model.")
        require("imagined/return" in metrics, "The metrics of an update must have `imagined/return`.")
        numbers = all(value.shape == () and value.isfinite() and not value.requires_grad for value in metrics.values())
        require(numbers, "Metrics must be finite tensors without axes and without gradients.")

    def update_is_a_function_of_its_noise(self) -> None:
        state, weights = {name: value.clone() for name, value in self._learner.state_dict().items()}, []
        for seed in (0, 0, 1):
            self._learner.load_state_dict(state)
            self._update(seed)
            weights.append(_weights(self._learner))
        require(identical(weights[0], weights[1]), "The same noise must give the same weights, bit for bit.")
        require(not identical(weights[0], weights[2]), "Other noise must give other weights.")

    def ranks_share_one_batch(self) -> None:
        """Each of two ranks has half of the beliefs. In float64, because Adam shows the sign of the least gradient."""
        self._model.double(), self._learner.double()
        before = copy.deepcopy(self._learner)
        doubled = lambda x: x.double() if x.is_floating_point() else x  # noqa: E731
        batch, belief = tree.map(
            doubled, (random_batch(self._spec, BATCH, TIME), self._model.dynamics.initial(BELIEFS))
        )
        belief = tree.map(lambda x: x + 0.1 * torch.randn_like(x) if x.is_floating_point() else x, belief)
        noise = tree.map(doubled, (self._model.noise(BATCH, TIME, seeded(1)), self._noise(seeded(0))))

        def updated(learner: Any, part: Any, own: Any) -> list[Tensor]:
            batch, belief, of_model = tree.map(part, (*whole, noise[0]))
            if isinstance(learner, JointLearner):
                trace = self._model.trace(batch, of_model)
                loss, _, statistics = learner.loss(self._model, trace, own(noise[1]))
                parameters = [parameter for parameter in learner.parameters() if parameter.requires_grad]
                Optimizer(AdamConfig(), parameters).step(loss)
                learner.finish(statistics)
            else:
                learner.update(self._model, belief, own(noise[1]), learner.optimizers())
            return [x.detach().clone() for x in learner.state_dict().values()]

        whole, copies = (batch, belief), [copy.deepcopy(before) for _ in range(2)]
        expected = updated(self._learner, lambda x: x, lambda noise: noise)
        found = on_ranks(2, lambda rank: updated(copies[rank], ranks.own, copies[rank].part))
        require(
            close(found[0], expected) and close(found[1], expected),
            "On several ranks an update must be that of the whole batch: a statistic of the batch needs "
            "`reverie.math.ranks`, and `part` must give the noise of a rank's beliefs.",
        )

    def loss_of_a_joint_learner_changes_nothing(self) -> None:
        if isinstance(self._learner, JointLearner):
            before = [x.clone() for x in self._learner.state_dict().values()]
            losses = [self._joint_loss(self._learner)[0] for _ in range(2)]
            same = torch.equal(*losses) and identical(before, list(self._learner.state_dict().values()))
            require(same, "`loss` must change nothing: `finish` keeps the statistics, after the step.")
            require(losses[0].shape == () and losses[0].requires_grad, "`loss` must be a number with a gradient.")

    def noise_comes_from_the_generator(self) -> None:
        require_seeded(self._noise)

    def optimizers_step_own_parameters(self) -> None:
        own = {id(parameter) for parameter in self._learner.parameters()}
        stepped = {id(p) for optimizer in self._learner.optimizers().values() for p in optimizer.parameters}
        require(stepped <= own, "Optimizers must step the learner's own parameters.")

    def policy_is_rebuilt_from_the_config(self) -> None:
        policy = self._learner.config.actor.build(self._spec.action, self._features)
        policy.load_state_dict(self._learner.policy.state_dict())
        features = torch.randn(4, self._features)
        same = torch.equal(policy(features, None), self._learner.policy(features, None))
        require(same, "The policy built from `config.actor` must act like the learner's own.")
        value = getattr(self._learner, "value", None)
        require(value is None or value(features).shape == (4, 1), "`value` must give one number a state, or be None.")


def _weights(module: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]
