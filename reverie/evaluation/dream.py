"""The dream: a policy acts on what its model imagines, beside the same policy in the real environment.

Both begin with the same observations. An open loop shows whether the model predicts the consequences of given actions.
A dream shows whether behavior that succeeds in the model succeeds in the environment: their returns should be equal.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from reverie import tree
from reverie.agents.agent import Agent
from reverie.agents.policies import PolicyActor
from reverie.data.episodes import Episode
from reverie.dynamics.rollout import imagine_policy
from reverie.evaluation.imagination import HORIZON, context_of, episode_batch
from reverie.evaluation.open_loop import draw_panels, filter_context
from reverie.signals.base import RewardHead


@dataclass(frozen=True)
class Dream:
    """T frames, real and dreamed, and the returns of what follows the context, undiscounted."""

    context: int
    real: UInt8[np.ndarray, "T h w c"]
    dreamed: UInt8[np.ndarray, "T h w c"]
    """The first `context` frames are reconstructions."""
    real_return: float
    dreamed_return: float
    """NaN if the model predicts no reward."""


@torch.no_grad()
def dream(agent: Agent, episode: Episode, context: int | None = None, horizon: int = HORIZON) -> Dream | None:
    """Show the model `context` decisions of an episode that the agent has played, and let its policy act in the model.

    States and actions are means and modes, as in the episode. None for an agent that plans, which searches at every
    decision. UserError if the agent decodes no image, or the episode is not longer than the context.
    """
    if not isinstance(agent.actor, PolicyActor):
        return None
    model, policy, context = agent.model, agent.actor.policy, context_of(episode, context)
    batch = episode_batch(episode, context + horizon, next(agent.parameters()).device)
    posterior, _ = filter_context(model, batch, context)
    last, steps = tree.map(lambda x: x[:, -1], posterior), batch.action.shape[1] - context
    features, _ = imagine_policy(model.dynamics, policy, last, steps, None, None)
    whole = torch.cat([model.dynamics.features(posterior), features[:, 1:]], dim=1)
    name = model.normalize.images[0]
    decoded = model.decode(whole, in_env_units=True)[name][0].round().to(torch.uint8).cpu().numpy()
    predicted = float("nan")
    if model.has(RewardHead):
        predicted = float(model.reward(features[:, 1:], in_env_units=True).sum())
    received = float(batch.reward[:, context:].sum())
    return Dream(context, batch.obs[name][0].cpu().numpy(), decoded, received, predicted)


def draw(folder: Path, dreamed: Dream) -> dict[str, Path]:
    """Write `dream.png` and `dream.mp4`. Return the files by content."""
    panels = {"real": dreamed.real, "dream": dreamed.dreamed}
    title = "green: seen by the model     red: the policy acts, above in the environment, below on what is imagined"
    picture, film = draw_panels(folder / "dream", panels, dreamed.context, title)
    return {"dream": picture, "dream film": film}


def sentence(dreamed: Dream) -> str:
    """Return the two returns as text."""
    count = len(dreamed.real) - dreamed.context
    return (
        f"{count} decisions of the policy from one start: return {dreamed.real_return:.1f} in the environment, "
        f"{dreamed.dreamed_return:.1f} in the dream"
    )
