"""Pendulum-v1 as an exact world model: Gymnasium's equations as differentiable dynamics.

Gymnasium 1.x, `envs/classic_control/pendulum.py`: the reward is that of the state *before* a frame's motion, the speed
is clipped to 8 rad/s, then the angle moves by the new speed. Without a model error, only the planner can lose return.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.agents.agent import Agent, AgentConfig
from reverie.envs.base import EnvConfig
from reverie.models.world_model import WorldModel, WorldModelConfig
from reverie.planning.actor import PlanningActor, PlanningConfig
from reverie.spaces import ActionSpace, EnvSpec, Space

STEP, MOST_SPEED, MOST_TORQUE = 0.05, 8.0, 2.0
"""Seconds of a frame, rad/s, N m."""


@dataclass(frozen=True)
class PendulumState:
    """`theta`: radians from upright, not wrapped. `theta_dot`: rad/s. `reward`: of the step that led here."""

    theta: Float[Tensor, "*b"]
    theta_dot: Float[Tensor, "*b"]
    reward: Float[Tensor, "*b"]


class Pendulum(nn.Module):
    """Implements `Dynamics[PendulumState]`: one prediction is `repeat` frames, their rewards summed; without noise.

    An embedding is Gymnasium's own observation `(cos, sin, theta_dot)`, from which `correct` reads the state.
    Features are `(theta, theta_dot, reward)`. Computes in the precision of the state it is given.
    """

    feature_size, noise_size = 3, 0

    def __init__(self, repeat: int) -> None:
        super().__init__()
        self.repeat = repeat
        self.gravity = nn.Parameter(torch.tensor(10.0), requires_grad=False)
        self.mass = nn.Parameter(torch.tensor(1.0), requires_grad=False)
        self.length = nn.Parameter(torch.tensor(1.0), requires_grad=False)

    def initial(self, batch: int) -> PendulumState:
        zero = torch.zeros(batch, device=self.gravity.device)
        return PendulumState(zero, zero, zero)

    def predict(self, state: PendulumState, action: Float[Tensor, "*b 1"], noise: Tensor | None) -> PendulumState:
        torque = MOST_TORQUE * action[..., 0].clamp(-1, 1)
        pull, push = 3 * self.gravity / (2 * self.length), 3 / (self.mass * self.length**2)
        theta, speed, reward = state.theta, state.theta_dot, torch.zeros_like(state.reward)
        for _ in range(self.repeat):
            angle = torch.remainder(theta + math.pi, 2 * math.pi) - math.pi
            reward = reward - (angle.square() + 0.1 * speed.square() + 0.001 * torque.square())
            speed = (speed + (pull * theta.sin() + push * torque) * STEP).clamp(-MOST_SPEED, MOST_SPEED)
            theta = theta + speed * STEP
        return PendulumState(theta, speed, reward)

    def correct(self, prior: PendulumState, embed: Float[Tensor, "*b 3"], noise: Tensor | None) -> PendulumState:
        return PendulumState(torch.atan2(embed[..., 1], embed[..., 0]), embed[..., 2], prior.reward)

    def features(self, state: PendulumState) -> Float[Tensor, "*b 3"]:
        return torch.stack([state.theta, state.theta_dot, state.reward], dim=-1)

    def divergence(self, posterior: PendulumState, prior: PendulumState) -> Float[Tensor, "*b"]:
        """Squared distance on the circle and in speed."""
        turn = torch.remainder(posterior.theta - prior.theta + math.pi, 2 * math.pi) - math.pi
        return turn.square() + (posterior.theta_dot - prior.theta_dot).square()

    def noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        return torch.zeros(*shape, 0, device=generator.device)


class StateEncoder(nn.Module):
    """Gives the observed state unchanged."""

    def forward(self, obs: dict[str, Tensor]) -> Float[Tensor, "*b 3"]:
        return obs["state"]


class StateReward(nn.Module):
    """The reward of the step that led to a state, which its features hold."""

    def predict_reward(self, features: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b"]:
        return features[..., 2]

    def to_env_units(self, reward: Tensor) -> Tensor:
        return reward


class TrueModel(WorldModel):
    """The parts of a world model that agents and objectives use; nothing is learned."""

    def __init__(self, repeat: int) -> None:
        nn.Module.__init__(self)
        self.dynamics = Pendulum(repeat)
        self.signals = nn.ModuleDict({"reward": StateReward()})  # pyrefly: ignore
        self.encoder, self.normalize = StateEncoder(), nn.Identity()  # pyrefly: ignore


def true_agent(env: EnvConfig) -> Agent:
    """An agent that plans in the simulator, from Gymnasium's state observation."""
    spec = EnvSpec({"state": Space((3,), "float32")}, ActionSpace(1, False), env.repeat)
    config, model = PlanningConfig(), TrueModel(env.repeat)
    actor = PlanningActor(config, model, spec.action)
    return Agent(AgentConfig(spec, WorldModelConfig(), config, env), model, actor).eval()
