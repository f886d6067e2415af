"""Does a learner keep the contract of `reverie.learners.base.Learner`?"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from reverie import tree
from reverie.spaces import EnvSpec
from reverie.testing.batches import small_spec, small_world_model
from reverie.testing.complaints import complaints, identical, require, require_seeded, seeded

BELIEFS = 6


def check_learner(config: Any, discrete: tuple[bool, ...] = (False, True)) -> list[str]:
    """Build `config.build(spec, feature_size)` and return what is wrong with the learner; empty if nothing is.

    It improves a policy in a small world model with random weights, for continuous and for discrete actions.
    """
    sentences = [
        sentence
        for kind in discrete
        for sentence in complaints(lambda kind=kind: _case(config, small_spec(3, kind)), PROMISES)
    ]
    return list(dict.fromkeys(sentences))


@dataclass(frozen=True)
class _Case:
    learner: Any
    model: Any
    spec: EnvSpec

    def noise(self, generator: torch.Generator) -> Any:
        return self.learner.noise(self.model, BELIEFS, generator)

    def update(self, seed: int = 0) -> dict[str, Tensor]:
        initial = self.model.dynamics.initial(BELIEFS)
        belief = tree.map(lambda x: x + 0.1 if x.is_floating_point() else x, initial)
        return self.learner.update(self.model, belief, self.noise(seeded(seed)), self.learner.optimizers())


def _case(config: Any, spec: EnvSpec) -> _Case:
    model = small_world_model(spec)
    return _Case(config.build(spec, model.dynamics.feature_size), model, spec)


def _weights(module: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def update_changes_the_policy_alone(case: _Case) -> None:
    policy, model = _weights(case.learner.policy), _weights(case.model)
    metrics = case.update()
    require(not identical(policy, _weights(case.learner.policy)), "An update must change the policy.")
    require(identical(model, _weights(case.model)), "An update must not change the world model.")
    untouched = all(parameter.grad is None for parameter in case.model.parameters())
    require(untouched, "An update must leave no gradients in the world model.")
    require("imagined/return" in metrics, "The metrics of an update must have `imagined/return`.")
    numbers = all(value.shape == () and value.isfinite() and not value.requires_grad for value in metrics.values())
    require(numbers, "Metrics must be finite tensors without axes and without gradients.")


def update_is_a_function_of_its_noise(case: _Case) -> None:
    state, weights = {name: value.clone() for name, value in case.learner.state_dict().items()}, []
    for seed in (0, 0, 1):
        case.learner.load_state_dict(state)
        case.update(seed)
        weights.append(_weights(case.learner))
    require(identical(weights[0], weights[1]), "The same noise must give the same weights, bit for bit.")
    require(not identical(weights[0], weights[2]), "Other noise must give other weights.")


def noise_comes_from_the_generator(case: _Case) -> None:
    require_seeded(case.noise)


def optimizers_step_own_parameters(case: _Case) -> None:
    own = {id(parameter) for parameter in case.learner.parameters()}
    stepped = {id(p) for optimizer in case.learner.optimizers().values() for p in optimizer.parameters}
    require(stepped <= own, "Optimizers must step the learner's own parameters.")


def agent_is_rebuilt_from_the_config(case: _Case) -> None:
    policy = case.learner.config.actor.build(case.spec.action, case.model.dynamics.feature_size)
    policy.load_state_dict(case.learner.policy.state_dict())
    features = torch.randn(4, case.model.dynamics.feature_size)
    same = torch.equal(policy(features, None), case.learner.policy(features, None))
    require(same, "The policy built from `config.actor` must act like the learner's own.")
    value = getattr(case.learner, "value", None)
    require(value is None or value(features).shape == (4, 1), "`value` must give one number a state, or be None.")


PROMISES = (
    update_changes_the_policy_alone, update_is_a_function_of_its_noise,
    noise_comes_from_the_generator, optimizers_step_own_parameters, agent_is_rebuilt_from_the_config,
)  # fmt: skip
