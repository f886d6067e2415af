"""Evolution strategies on a policy's parameters: no gradient passes through the model, only imagined returns come back.

    theta  <-  theta + lr * 1 / (P sigma) sum_i u_i eps_i        F_i = imagined return of pi_{theta + sigma eps_i}

Salimans et al. 2017, Alg. 1: perturbations come in pairs +eps, -eps (antithetic), and a fitness counts by its rank,
u_i in [-1/2, 1/2], so that no single return decides. Every member of the population dreams from the same beliefs with
the same noise, so that members differ by their parameters alone. The population is one batch: `torch.func.vmap` over
parameters for the policy, plain batching for the dynamics.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from reverie import tree
from reverie.behavior.policies import PolicyConfig
from reverie.envs.adapter import EnvSpec
from reverie.errors import UserError
from reverie.math.returns import cumulated_weight
from reverie.optimiser import AdamConfig, Optimiser
from reverie.rollout import imagine_policy
from reverie.types import Metrics
from reverie.world_model import WorldModel


@dataclass(frozen=True)
class EvolutionConfig:
    """`population` perturbed policies an update, an even number, perturbed with standard deviation `sigma`."""

    policy: PolicyConfig = field(default_factory=PolicyConfig)
    population: int = 64
    sigma: float = 0.05
    starts: int = 32
    """Beliefs, of those that an update is given, from which every member dreams."""
    horizon: int = 15
    gamma: float = 0.99
    optimiser: AdamConfig = field(default_factory=lambda: AdamConfig(lr=1e-2))

    def __post_init__(self) -> None:
        if self.population < 2 or self.population % 2:
            raise UserError(
                f"behavior.population is {self.population}: it must be even, for perturbations come in pairs."
            )
        if self.sigma <= 0:
            raise UserError(f"behavior.sigma is {self.sigma}: it must be positive.")

    @property
    def actor(self) -> PolicyConfig:
        """What an agent that acts by this policy is rebuilt from."""
        return self.policy

    def build(self, spec: EnvSpec, feature_size: int) -> "Evolution":
        return Evolution(self, spec, feature_size)


@dataclass(frozen=True)
class EvolutionNoise:
    """`parameters` (P / 2, n): the perturbations. `starts` (N,): which beliefs. The rest as in any dream, (N, H, *)."""

    parameters: Float[Tensor, "pairs n"]
    starts: Int[Tensor, " N"]
    dynamics: Tensor
    policy: Tensor


class Evolution(nn.Module):
    """Implements `Learner`; it has no value."""

    value = None

    def __init__(self, config: EvolutionConfig, spec: EnvSpec, feature_size: int) -> None:
        super().__init__()
        self.config = config
        self.policy = config.policy.build(spec.action, feature_size)

    def optimisers(self) -> dict[str, Optimiser]:
        """Fresh optimisers by name, made once the parameters are on their device."""
        return {"actor": Optimiser(self.config.optimiser, self.policy.parameters())}

    def noise(self, model: WorldModel, batch: int, generator: torch.Generator) -> EvolutionNoise:
        """All the noise of one update from `batch` beliefs."""
        config, count = self.config, min(self.config.starts, batch)
        size = sum(parameter.numel() for parameter in self.policy.parameters())
        return EvolutionNoise(
            torch.randn(config.population // 2, size, generator=generator, device=generator.device),
            torch.randperm(batch, generator=generator, device=generator.device)[:count],
            model.dynamics.noise(count, config.horizon, generator=generator),
            self.policy.noise(count, config.horizon, generator=generator),
        )

    def update(
        self, model: WorldModel, belief: Any, noise: EvolutionNoise, optimisers: dict[str, Optimiser]
    ) -> Metrics:
        """One step uphill of the population's ranked returns. The world model is read, never changed."""
        start = tree.map(lambda x: x[noise.starts], belief)
        centre = nn.utils.parameters_to_vector(self.policy.parameters())
        epsilon = torch.cat([noise.parameters, -noise.parameters])
        with torch.no_grad():
            members = centre + self.config.sigma * epsilon
            fitness, action = imagined_returns(self.policy, members, model, start, noise, self.config)
            uphill = shaped(fitness) @ epsilon / (self.config.population * self.config.sigma)
        found = optimisers["actor"].step(-(centre @ uphill))
        return {
            "grad_norm/actor": found["grad_norm"],
            "imagined/return": fitness.mean(),
            "imagined/return_best": fitness.max(),
            "imagined/return_std": fitness.std(),
            "policy/action_abs": action.abs().mean(),
        }


def shaped(fitness: Float[Tensor, " P"]) -> Float[Tensor, " P"]:
    """Centred ranks: -1/2 for the worst, 1/2 for the best, evenly between (Salimans 2017, Sec. 2.1)."""
    ranks = fitness.argsort().argsort().to(fitness.dtype)
    return ranks / (len(fitness) - 1) - 0.5


def imagined_returns(
    policy: Any,
    members: Float[Tensor, "P n"],
    model: WorldModel,
    start: Any,
    noise: EvolutionNoise,
    config: EvolutionConfig,
) -> tuple[Float[Tensor, " P"], Tensor]:
    """Each member's discounted reward over the horizon, mean over N starts, and the actions (P N, H, A).

    What is imagined after a likely end counts as little as it is likely to be reached.
    """
    count, size = len(members), len(noise.starts)
    population = torch.vmap(lambda vector: unpacked(policy, vector))(members)

    def act(features: Float[Tensor, "PN F"], own: Float[Tensor, "PN A"] | None) -> Tensor:
        grouped = features.unflatten(0, (count, size))
        each = None if own is None else own.unflatten(0, (count, size))
        call = torch.vmap(
            lambda parameters, x, e: torch.func.functional_call(policy, parameters, (x, e)),
            in_dims=(0, 0, None if each is None else 0),
        )
        return call(population, grouped, each).flatten(0, 1)

    def all_of(x: Tensor) -> Tensor:
        return x.repeat(count, *[1] * (x.dim() - 1))

    states, action = imagine_policy(
        model.dynamics, act, tree.map(all_of, start), config.horizon, all_of(noise.dynamics), all_of(noise.policy)
    )
    features = model.dynamics.features(states)
    reward = model.signals["reward"].predict(features[:, 1:])
    goes_on = torch.ones_like(features[..., 0])
    if "continuation" in model.signals:
        goes_on = model.signals["continuation"].predict(features)
    weight = cumulated_weight(goes_on[:, 0], config.gamma * goes_on[:, 1:])
    return (weight * reward).sum(1).unflatten(0, (count, size)).mean(1), action


def unpacked(policy: nn.Module, vector: Float[Tensor, " n"]) -> dict[str, Tensor]:
    """A flat vector as the parameters of `policy` by name."""
    found, begin = {}, 0
    for name, parameter in policy.named_parameters():
        found[name] = vector[begin : begin + parameter.numel()].view_as(parameter)
        begin += parameter.numel()
    return found
