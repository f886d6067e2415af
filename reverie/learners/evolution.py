"""Evolution strategies on a policy's parameters, by imagined returns and without gradients through the model.

    theta  <-  theta + lr * 1 / (P sigma) sum_i u_i eps_i        F_i = imagined return of pi_{theta + sigma eps_i}

Salimans et al. 2017, Alg. 1, with antithetic perturbations +eps, -eps and centered ranks u_i in [-1/2, 1/2] in place of
returns. All members start from the same beliefs with the same noise, so they differ only in their parameters. The
population is one batch: `torch.func.vmap` over parameters for the policy, plain batching for the dynamics.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from reverie import tree
from reverie.agents.policies import Policy, PolicyConfig
from reverie.config.checks import at_least, between, positive
from reverie.dynamics.rollout import imagine_policy
from reverie.errors import UserError
from reverie.learners.base import Learner, LearnerConfig
from reverie.math import ranks
from reverie.math.returns import cumulative_weight
from reverie.models.world_model import WorldModel
from reverie.nn.optimizer import AdamConfig, Optimizer, OptimizerConfig
from reverie.spaces import EnvSpec
from reverie.types import Metrics, State


@dataclass(frozen=True)
class EvolutionConfig(LearnerConfig):
    """Evolution strategies in imagination."""

    policy: PolicyConfig = field(default_factory=PolicyConfig)  # pyrefly: ignore[bad-override]
    """The policy that is learned."""
    population: int = field(default=64, metadata=at_least(2))
    """Policies of an update, P; an even number, because perturbations come in pairs."""
    sigma: float = field(default=0.05, metadata=positive())
    """Standard deviation of the perturbations, above 0."""
    starts: int = field(default=32, metadata=at_least(1))
    """Beliefs of an update that every member starts from."""
    horizon: int = field(default=15, metadata=at_least(1))
    """Imagined agent steps."""
    gamma: float = field(default=0.99, metadata=between(0, 1))
    """Discount of one agent step, in [0, 1]."""
    optimizer: OptimizerConfig = field(default_factory=lambda: AdamConfig(lr=1e-2))
    """The optimizer of the policy."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.population < 2 or self.population % 2:
            raise UserError(
                f"behavior.population is {self.population}: it must be even, because perturbations come in pairs."
            )

    def build(self, spec: EnvSpec, feature_size: int) -> "Evolution":
        return Evolution(self, spec, feature_size)


@dataclass(frozen=True)
class EvolutionNoise:
    """Perturbations `parameters`, indices of beliefs `starts`, and standard noise of N trajectories."""

    parameters: Float[Tensor, "pairs n"]
    starts: Int[Tensor, " N"]
    dynamics: Float[Tensor, "N H Z"]
    policy: Float[Tensor, "N H A"]


class Evolution(Learner[WorldModel, EvolutionNoise]):
    """Owns the policy and its optimizer. It has no value."""

    policy: Policy  # pyrefly: ignore[bad-override]
    value = None

    def __init__(self, config: EvolutionConfig, spec: EnvSpec, feature_size: int) -> None:
        super().__init__()
        self.config = config
        self.policy = config.policy.build(spec.action, feature_size)

    def optimizers(self) -> dict[str, Optimizer]:
        return {"actor": Optimizer(self.config.optimizer, self.policy.parameters())}

    def noise(self, model: WorldModel, batch: int, generator: torch.Generator) -> EvolutionNoise:
        count, horizon = min(self.config.starts, batch), self.config.horizon
        return EvolutionNoise(
            self.perturbations(generator),
            torch.randperm(batch, generator=generator, device=generator.device)[:count],
            model.dynamics.noise(count, horizon, generator=generator),
            self.policy.noise(count, horizon, generator=generator),
        )

    def perturbations(self, generator: torch.Generator) -> Float[Tensor, "pairs n"]:
        """Draw `eps` for half of the population; the other half gets `-eps`."""
        size = sum(parameter.numel() for parameter in self.policy.parameters())
        return torch.randn(self.config.population // 2, size, generator=generator, device=generator.device)

    def part(self, noise: EvolutionNoise) -> EvolutionNoise:
        """Return all of it: every rank plays the whole population, from the beliefs of all ranks."""
        return noise

    def update(
        self, model: WorldModel, belief: State, noise: EvolutionNoise, optimizers: dict[str, Optimizer]
    ) -> Metrics:
        """Take one optimizer step by the population's ranked imagined returns."""
        start = tree.map(lambda x: ranks.gather(x)[noise.starts], belief)
        population = self.population_parameters(noise.parameters)
        with torch.no_grad():
            fitness, action = self.imagined_returns(model, population, start, noise)
        step = self.step(fitness, noise.parameters, optimizers["actor"])
        return {
            "loss/actor": -fitness.mean(),  # checked for finiteness: ranks are always finite
            "grad_norm/actor": step["grad_norm"],
            "imagined/return": fitness.mean(),
            "imagined/return_best": fitness.max(),
            "imagined/return_std": fitness.std(),
            "policy/action_abs": action.abs().mean(),
        }

    def imagined_returns(
        self, model: WorldModel, population: Float[Tensor, "P n"], start: State, noise: EvolutionNoise
    ) -> tuple[Float[Tensor, " P"], Float[Tensor, "PN H A"]]:
        """Return each member's discounted return over the horizon, mean over N starts, and all actions.

        Rewards are weighted by the predicted probability that the episode is not over.
        """
        count, config = len(population), self.config
        start, dynamics_noise, policy_noise = tree.map(
            lambda x: x.repeat(count, *[1] * (x.dim() - 1)), (start, noise.dynamics, noise.policy)
        )
        act = Population(self.policy, population)
        features, action = imagine_policy(model.dynamics, act, start, config.horizon, dynamics_noise, policy_noise)
        reward, continuation = model.reward(features[:, 1:]), model.continuation(features)
        weight = cumulative_weight(continuation[:, 0], config.gamma * continuation[:, 1:])
        return (weight * reward).sum(1).unflatten(0, (count, -1)).mean(1), action

    @torch.no_grad()
    def population_parameters(self, epsilon: Float[Tensor, "pairs n"]) -> Float[Tensor, "P n"]:
        """Return the parameters of the population: all `+ epsilon` first, then all `- epsilon`."""
        center = nn.utils.parameters_to_vector(self.policy.parameters())
        return center + self.config.sigma * torch.cat([epsilon, -epsilon])

    def step(self, fitness: Float[Tensor, " P"], epsilon: Float[Tensor, "pairs n"], optimizer: Optimizer) -> Metrics:
        """Take one optimizer step along the published gradient estimate, from the fitness of each member."""
        center = nn.utils.parameters_to_vector(self.policy.parameters())
        scale = self.config.population * self.config.sigma
        gradient = centered_ranks(fitness) @ torch.cat([epsilon, -epsilon]) / scale
        return optimizer.step(-(center @ gradient))


def centered_ranks(fitness: Float[Tensor, " P"]) -> Float[Tensor, " P"]:
    """Rank from -1/2 for the worst to 1/2 for the best, evenly between (Salimans 2017, Sec. 2.1).

    Ties get the mean of their ranks, so equal fitness gives a zero gradient.
    """
    worse = (fitness[:, None] > fitness).sum(1)
    ties = (fitness[:, None] == fitness).sum(1) - 1
    return ((worse + ties / 2) / (len(fitness) - 1) - 0.5).to(fitness.dtype)


class Population:
    """P policies as one: features (P N, F), N rows for each member, to actions (P N, A); noise likewise."""

    def __init__(self, policy: Policy, population: Float[Tensor, "P n"]) -> None:
        self.policy, self.count = policy, len(population)
        shapes = {name: parameter.shape for name, parameter in policy.named_parameters()}
        parts = population.split([shape.numel() for shape in shapes.values()], dim=1)
        self.parameters = {name: part.unflatten(1, shape) for (name, shape), part in zip(shapes.items(), parts)}

    def __call__(self, features: Float[Tensor, "PN F"], noise: Float[Tensor, "PN A"] | None) -> Float[Tensor, "PN A"]:
        def act(parameters: dict[str, Tensor], x: Tensor, member_noise: Tensor | None) -> Tensor:
            return torch.func.functional_call(self.policy, parameters, (x, member_noise))

        noise = None if noise is None else noise.unflatten(0, (self.count, -1))
        act_all = torch.vmap(act, in_dims=(0, 0, None if noise is None else 0))
        return act_all(self.parameters, features.unflatten(0, (self.count, -1)), noise).flatten(0, 1)
