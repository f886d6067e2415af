"""Evolution strategies on a policy's parameters: no gradient passes through the model, only imagined returns come back.

    theta  <-  theta + lr * 1 / (P sigma) sum_i u_i eps_i        F_i = imagined return of pi_{theta + sigma eps_i}

Salimans et al. 2017, Alg. 1: perturbations come in pairs +eps, -eps (antithetic), and a fitness counts by its rank,
u_i in [-1/2, 1/2], so that no single return decides. Every member of the population dreams from the same beliefs with
the same noise, so that members differ by their parameters alone. The population is one batch: `torch.func.vmap` over
parameters for the policy, plain batching for the dynamics.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from reverie import tree
from reverie.agents.policies import Policy, PolicyConfig
from reverie.dynamics.rollout import imagine_policy
from reverie.errors import UserError
from reverie.math.returns import cumulative_weight
from reverie.models.world_model import WorldModel
from reverie.nn.optimizer import AdamConfig, Optimizer
from reverie.spaces import EnvSpec
from reverie.types import Metrics, State


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
    optimizer: AdamConfig = field(default_factory=lambda: AdamConfig(lr=1e-2))

    def __post_init__(self) -> None:
        if self.population < 2 or self.population % 2:
            raise UserError(
                f"behavior.population is {self.population}: it must be even, for perturbations come in pairs."
            )
        if not 0 < self.sigma < float("inf"):
            raise UserError(f"behavior.sigma is {self.sigma}: it must be positive and finite.")
        if self.starts < 1:
            raise UserError(f"behavior.starts is {self.starts}: it must be 1 or more.")
        if self.horizon < 1:
            raise UserError(f"behavior.horizon is {self.horizon}: it must be 1 or more.")

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

    def optimizers(self) -> dict[str, Optimizer]:
        """Fresh optimizers by name, made once the parameters are on their device."""
        return {"actor": Optimizer(self.config.optimizer, self.policy.parameters())}

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
        self, model: WorldModel, belief: State, noise: EvolutionNoise, optimizers: dict[str, Optimizer]
    ) -> Metrics:
        """One step uphill of the population's ranked returns. The world model is read, never changed."""
        start, members = tree.map(lambda x: x[noise.starts], belief), self.population_parameters(noise.parameters)
        with torch.no_grad():
            fitness, action = imagined_returns(self.policy, members, model, start, noise, self.config)
        found = self.step(fitness, noise.parameters, optimizers["actor"])
        return {
            "loss/actor": -fitness.mean(),  # what is watched for not being finite: ranks always are
            "grad_norm/actor": found["grad_norm"],
            "imagined/return": fitness.mean(),
            "imagined/return_best": fitness.max(),
            "imagined/return_std": fitness.std(),
            "policy/action_abs": action.abs().mean(),
        }

    @torch.no_grad()
    def population_parameters(self, epsilon: Float[Tensor, "pairs n"]) -> Float[Tensor, "P n"]:
        """The parameters of the population: all `+ epsilon` first, then their mirror images."""
        centre = nn.utils.parameters_to_vector(self.policy.parameters())
        return centre + self.config.sigma * torch.cat([epsilon, -epsilon])

    def step(self, fitness: Float[Tensor, " P"], epsilon: Float[Tensor, "pairs n"], optimizer: Optimizer) -> Metrics:
        """One step of the optimizer along the published estimate, whatever the fitness of the members came from."""
        centre = nn.utils.parameters_to_vector(self.policy.parameters())
        uphill = centered_ranks(fitness) @ torch.cat([epsilon, -epsilon]) / (self.config.population * self.config.sigma)
        return optimizer.step(-(centre @ uphill))


def centered_ranks(fitness: Float[Tensor, " P"]) -> Float[Tensor, " P"]:
    """Centered ranks: -1/2 for the worst, 1/2 for the best, evenly between (Salimans 2017, Sec. 2.1).

    Equals share the mean of their ranks, so that a population of equals moves nothing.
    """
    better = (fitness[:, None] > fitness).sum(1)
    equals = (fitness[:, None] == fitness).sum(1) - 1
    return (better + equals / 2) / (len(fitness) - 1) - 0.5


def imagined_returns(
    policy: Policy,
    members: Float[Tensor, "P n"],
    model: WorldModel,
    start: State,
    noise: EvolutionNoise,
    config: EvolutionConfig,
) -> tuple[Float[Tensor, " P"], Tensor]:
    """Each member's discounted reward over the horizon, mean over N starts, and the actions (P N, H, A).

    What is imagined after a likely end counts as little as it is likely to be reached.
    """
    act, count, size = Population(policy, members), len(members), len(noise.starts)

    def all_of(x: Tensor) -> Tensor:
        return x.repeat(count, *[1] * (x.dim() - 1))

    states, action = imagine_policy(
        model.dynamics, act, tree.map(all_of, start), config.horizon, all_of(noise.dynamics), all_of(noise.policy)
    )
    features = model.dynamics.features(states)
    reward, continuation = model.reward(features[:, 1:]), model.continuation(features)
    weight = cumulative_weight(continuation[:, 0], config.gamma * continuation[:, 1:])
    return (weight * reward).sum(1).unflatten(0, (count, size)).mean(1), action


class Population:
    """P policies as one: features (P N, F), N rows for each member in turn, to actions (P N, A); noise likewise."""

    def __init__(self, policy: Policy, members: Float[Tensor, "P n"]) -> None:
        self.policy, self.count = policy, len(members)
        self.parameters = torch.vmap(lambda vector: unflatten_parameters(policy, vector))(members)

    def __call__(self, features: Float[Tensor, "PN F"], noise: Float[Tensor, "PN A"] | None) -> Float[Tensor, "PN A"]:
        def one(parameters: dict[str, Tensor], x: Tensor, own: Tensor | None) -> Tensor:
            return torch.func.functional_call(self.policy, parameters, (x, own))

        each = None if noise is None else noise.unflatten(0, (self.count, -1))
        call = torch.vmap(one, in_dims=(0, 0, None if each is None else 0))
        return call(self.parameters, features.unflatten(0, (self.count, -1)), each).flatten(0, 1)


def unflatten_parameters(policy: nn.Module, vector: Float[Tensor, " n"]) -> dict[str, Tensor]:
    """A flat vector as the parameters of `policy` by name."""
    found, begin = {}, 0
    for name, parameter in policy.named_parameters():
        found[name] = vector[begin : begin + parameter.numel()].view_as(parameter)
        begin += parameter.numel()
    return found
