"""A world model as a world: beliefs and actions in, beliefs and what they predict out. Nothing is kept."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from reverie import tree
from reverie.dynamics.rollout import imagine, observe
from reverie.models.world_model import WorldModel
from reverie.signals.base import ContinuationHead, ReconstructionHead, RewardHead
from reverie.spaces import EnvSpec
from reverie.types import Batch, State

Noise = Float[Tensor, "B Z"] | None
"""Standard noise of one step; None takes means."""


@dataclass(frozen=True)
class Prediction:
    """What B beliefs predict, in the environment's units. A head that the model lacks gives None."""

    features: Float[Tensor, "B F"]
    reward: Float[np.ndarray, " B"] | None
    value: Float[np.ndarray, " B"] | None
    """The return that follows."""
    alive: Float[np.ndarray, " B"]
    """Probability that the episode goes on; 1 if the model predicts no end."""


class Dream:
    """The world that a model imagines. `value` maps features to the return that follows, in the model's unit."""

    def __init__(self, model: WorldModel, spec: EnvSpec, value: nn.Module | None = None) -> None:
        self.model, self.spec, self.value = model, spec, value
        self.device = next(model.parameters()).device

    def noise(self, batch: int, generator: torch.Generator) -> Float[Tensor, "B Z"]:
        return self.model.dynamics.noise(batch, generator=generator)

    @torch.no_grad()
    def begin(self, batch: int, noise: Noise) -> State:
        """Return beliefs of a first step that nothing was seen of: the prior after the initial belief."""
        initial = self.model.dynamics.initial(batch)
        return self.step(initial, torch.zeros(batch, self.spec.action.size, device=self.device), noise)

    @torch.no_grad()
    def step(self, belief: State, action: Float[Tensor, "B A"], noise: Noise) -> State:
        """Imagine one step."""
        states = imagine(self.model.dynamics, belief, action[:, None], None if noise is None else noise[:, None])
        return tree.map(lambda x: x[:, 0], states)

    @torch.no_grad()
    def see(
        self,
        belief: State,
        action: Float[Tensor, "B A"],
        obs: dict[str, Tensor],
        first: Bool[Tensor, " B"],
        noise: Noise,
    ) -> tuple[State, Float[Tensor, " B"]]:
        """Correct beliefs by what was really seen. Return them, and the nats by which it surprised the model.

        The surprise is the divergence of posterior and prior, as in training.
        """
        embed = self.model.encoder(self.model.normalize(obs))[:, None]
        each = None if noise is None else noise[:, None]
        prior, posterior = observe(self.model.dynamics, belief, action[:, None], embed, first[:, None], each)
        surprise = self.model.dynamics.divergence(posterior, prior)[:, 0]
        return tree.map(lambda x: x[:, 0], posterior), surprise

    @torch.no_grad()
    def filter(self, batch: Batch) -> State:
        """Return the beliefs after the last step of recorded sequences, by means."""
        return tree.map(lambda x: x[:, -1], self.model.trace(batch, None).posterior)

    @torch.no_grad()
    def predict(self, belief: State) -> Prediction:
        model = self.model
        features = model.dynamics.features(belief)
        reward = model.reward(features, in_env_units=True) if self.rewards else None
        value = None if self.value is None else model.to_env_units(self.value(features)[..., 0])
        alive = model.continuation(features) / model.discount
        return Prediction(features, _array(reward), _array(value), alive.clamp(0, 1).cpu().numpy())

    @property
    def rewards(self) -> bool:
        """Whether the model predicts the reward."""
        return self.model.has(RewardHead)

    @property
    def draws(self) -> bool:
        """Whether the model decodes what the agent would see."""
        return self.model.has(ReconstructionHead)

    @property
    def ends(self) -> bool:
        """Whether the model predicts the end of an episode."""
        return self.model.has(ContinuationHead)

    @torch.no_grad()
    def decode(self, features: Float[Tensor, "B F"]) -> dict[str, np.ndarray]:
        """Return the expected observations: images uint8 (B, h, w, c), vectors float32 (B, n)."""
        obs = self.model.decode(features, in_env_units=True)
        images = self.model.normalize.images
        return {
            name: (x.round().clamp(0, 255).to(torch.uint8) if name in images else x).cpu().numpy()
            for name, x in obs.items()
        }


def _array(x: Tensor | None) -> np.ndarray | None:
    return None if x is None else x.cpu().numpy()
