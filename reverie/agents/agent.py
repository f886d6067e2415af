"""An agent is a world model and an actor: `(carry, obs) -> (carry, action)`, saved to and loaded from two files."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie import tree
from reverie.agents.base import Actor, ActorConfig
from reverie.agents.policies import Policy, PolicyActor
from reverie.config import hub
from reverie.config.files import read_file, write_file
from reverie.dynamics.rollout import observe
from reverie.envs.base import EnvConfig
from reverie.errors import UserError
from reverie.models.world_model import WorldModel, WorldModelConfig
from reverie.nn.weights import read_weights, write_weights
from reverie.planning.actor import PlanningActor, PlanningConfig
from reverie.planning.objectives import GoalObjectiveConfig
from reverie.spaces import EnvSpec
from reverie.types import ActNoise, State

Flags = np.ndarray | Tensor | None
A = TypeVar("A", np.ndarray, Tensor)
"""The kind of array that observations and actions are."""


@dataclass(frozen=True)
class Carry:
    """The agent's state between steps."""

    belief: State
    action: Float[Tensor, "B A"]
    """The last action."""
    actor_state: object


@dataclass(frozen=True)
class AgentConfig:
    """Everything needed to rebuild an agent; independent of the training config."""

    spec: EnvSpec
    """Observations and actions of the environment."""
    model: WorldModelConfig
    """The world model."""
    actor: ActorConfig | PlanningConfig
    """What chooses actions: a policy, or a planner with its objective."""
    env: EnvConfig | None = None
    """The environment of training; None if unknown, as for recorded data."""

    @property
    def world(self) -> EnvConfig:
        """`env`, or a UserError if it is None."""
        if self.env is None:
            raise UserError(
                "This agent learned from recordings, so there is no environment to play in: name one by --env.id, or "
                "act by `reverie.load` and `agent.act`."
            )
        return self.env


class Agent(nn.Module):
    """World model and actor. `act` takes one observation or a batch, as numpy arrays or tensors."""

    def __init__(self, config: AgentConfig, model: WorldModel, actor: Actor) -> None:
        super().__init__()
        self.config, self.model, self.actor = config, model, actor
        self.decide = self._decide
        """What `act` computes on tensors alone. A run may replace it by something faster that computes the same."""

    def follow(self, policy: Policy | None) -> None:
        """Act by a learner's policy from now on: the module itself, so it improves as it is trained."""
        if policy is not None and isinstance(self.actor, PolicyActor):
            self.actor.policy = policy

    def initial(self, batch: int = 1) -> Carry:
        """Return the carry before the first observation of an episode."""
        belief = self.model.dynamics.initial(batch)
        action = tree.leaves(belief)[0].new_zeros(batch, self.config.spec.action.size)
        return Carry(belief, action, tree.to(self.actor.initial(batch), action.device))

    def noise(self, batch: int, generator: torch.Generator, explore: bool = True) -> ActNoise:
        """Draw the standard noise of one step: for beliefs, actions and, with `explore`, exploration."""
        actor, exploration = self.actor.noise(batch, generator)
        belief = self.model.dynamics.noise(batch, generator=generator)
        return ActNoise(belief, actor, exploration if explore else None)

    @torch.no_grad()
    def act(
        self, carry: Carry | None, obs: Mapping[str, A], is_first: Flags = None, noise: ActNoise | None = None
    ) -> tuple[Carry, A]:
        """Update the belief by `obs` and choose an action in the library's form (`envs.conversions`).

        `obs`: by the names in `config.spec.obs`, one observation or a batch with leading axis B.
        `carry`: returned by the last call, None at the first step. `is_first` (B,) restarts single beliefs.
        `noise`: None for mean beliefs and the mode of the policy.

        Returns the action `(A,)` or `(B, A)`, numpy or tensor like `obs`. UserError if `obs` does not fit the agent.
        """
        tensors, single = self.tensors(obs)
        like = next(iter(tensors.values()))
        carry = self.initial(len(like)) if carry is None else carry
        is_first = torch.zeros(len(like), dtype=torch.bool) if is_first is None else torch.as_tensor(is_first)
        carry, action = self.decide(carry, tensors, is_first.to(like.device), noise)
        action = action[0] if single else action
        given_tensors = isinstance(next(iter(obs.values())), Tensor)
        return carry, action if given_tensors else action.cpu().numpy()  # pyrefly: ignore

    def _decide(
        self, carry: Carry, obs: dict[str, Tensor], first: Tensor, noise: ActNoise | None
    ) -> tuple[Carry, Float[Tensor, "B A"]]:
        """Return the next carry and the actions for B observations on the agent's device. `first` (B,) restarts."""
        embed = self.model.encoder(self.model.normalize(obs))
        fresh = self.initial(embed.shape[0])  # not `len`, which an exported program could not vary
        belief_noise = None if noise is None or noise.belief is None else noise.belief[:, None]
        dynamics, action = self.model.dynamics, carry.action[:, None]
        _, posterior = observe(dynamics, carry.belief, action, embed[:, None], first[:, None], belief_noise)
        belief = tree.map(lambda x: x[:, 0], posterior)
        actor_state = tree.where(first, fresh.actor_state, carry.actor_state)
        action, actor_state = self.actor.act(belief, actor_state, noise)
        return Carry(belief, action, actor_state), action

    def tensors(self, obs: Mapping[str, np.ndarray | Tensor]) -> tuple[dict[str, Tensor], bool]:
        """Return an observation as a batch of tensors on the agent's device, and whether it was a single one.

        UserError if it does not fit the agent.
        """
        spaces, device = self.config.spec.obs, next(self.parameters()).device
        if missing := spaces.keys() - obs.keys():
            raise UserError(f"The agent sees {sorted(spaces)}: the observation lacks {sorted(missing)}.")
        name, space = next(iter(spaces.items()))
        single = len(obs[name].shape) == len(space.shape)
        tensors = {}
        for name, space in spaces.items():
            value = torch.as_tensor(obs[name], device=device)
            value = tensors[name] = value[None] if single else value
            if tuple(value.shape[1:]) != space.shape or value.dtype != getattr(torch, space.dtype):
                raise UserError(
                    f"The agent was trained on '{name}' of shape {space.shape} and type {space.dtype}, and was "
                    f"given {tuple(value.shape[1:])} of {str(value.dtype).removeprefix('torch.')}."
                )
        return tensors, single

    def save(self, folder: Path) -> None:
        """Write `agent.json` and `agent.safetensors`: all that `load` needs, on any machine."""
        write_file(folder / "agent.json", self.config)
        write_weights(folder / "agent.safetensors", self)


def build(config: AgentConfig) -> Agent:
    """Build a new agent. One that trains shares its learner's policy (`runs.online`)."""
    model = config.model.build(config.spec)
    return Agent(config, model, config.actor.build_actor(model, config.spec))


def with_planner(agent: Agent, planning: PlanningConfig, value: nn.Module | None = None) -> Agent:
    """Make an agent that plans in the world model of `agent`; the model is shared and not copied.

    `value` maps features (*b, F) to the return that follows, (*b, 1), in the unit of the model's reward. Only some
    objectives need it (`runs.online.load_value`). It is not saved with the agent. UserError where there are no actions
    to plan, or the agent lacks what the objective needs.
    """
    config = replace(agent.config, actor=planning)
    actor = PlanningActor(planning, agent.model, config.spec.action, value).to(next(agent.parameters()).device)
    return Agent(config, agent.model, actor)


def needs_goal(agent: Agent) -> bool:
    """Whether the agent plans towards a goal that `with_goal` must set first."""
    return isinstance(getattr(agent.config.actor, "objective", None), GoalObjectiveConfig)


@torch.no_grad()
def with_goal(agent: Agent, goal: dict[str, Any]) -> Agent:
    """Make an agent that acts towards `goal`; the world model is shared and not copied.

    `goal`: an observation by the names in `config.spec.obs`, or a batch, one for each episode. UserError where the
    agent does not plan for similarity to a goal, or the goal does not fit the agent's observations.
    """
    planning: Any = agent.config.actor
    if not needs_goal(agent):
        raise UserError(
            "This agent acts towards no goal: give it the objective GoalConfig by `reverie.with_planner` first."
        )
    tensors, _ = agent.tensors(goal)
    target = planning.objective.represent(agent.model, agent.model.normalize(tensors))
    objective = planning.objective.towards(agent.model, target)
    actor = PlanningActor(planning, agent.model, agent.config.spec.action, objective=objective)
    return Agent(agent.config, agent.model, actor.to(next(agent.parameters()).device))


def choose_device(name: str) -> torch.device:
    """Find the device `auto`, `cpu` or `cuda`; `auto` is a GPU if there is one. UserError where there is none."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError("No CUDA device is usable here: take --device cpu, or ask `reverie doctor`.")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise UserError(f"'{name}' is not a device: take auto, cpu or cuda.") from error


def load(folder: str | Path, device: str = "auto") -> Agent:
    """Load the agent of a run's folder, or of `hf:user/name` on the Hub, to act. UserError where there is none."""
    folder = hub.local(folder)
    if not (folder / "agent.safetensors").exists():
        if (folder / "model.safetensors").exists():
            raise UserError(
                f"{folder} holds no trained agent but a model alone: read it by `reverie.load_model`, or draw pictures"
                " from a generative one by `reverie sample`."
            )
        raise UserError(f"{folder} holds no trained agent: give the folder of a run that has saved a checkpoint.")
    agent = build(read_file(AgentConfig, folder / "agent.json"))
    read_weights(folder / "agent.safetensors", agent)
    return agent.to(choose_device(device)).eval()
