"""Let an agent's model go on from the first observations of an episode that was played."""

from contextlib import suppress

import numpy as np
import torch

from reverie.agents.agent import Agent
from reverie.data.episodes import Episode
from reverie.errors import UserError
from reverie.evaluation.open_loop import OpenLoop, context_and_horizon, predict
from reverie.types import Batch

FPS = 25.0
"""Decisions a second in a film."""
CONTEXT, HORIZON = 5, 45


def imagine_episode(agent: Agent, episode: Episode, context: int | None = None, horizon: int = HORIZON) -> OpenLoop:
    """Show the model `context` decisions of an episode, and let it imagine up to `horizon` more from the actions alone.

    By default the context is 5 decisions, and half of the episode at most.
    Raises `UserError` where the agent decodes no image, or the episode is not longer than the context.
    """
    if context is None:
        context, horizon = context_and_horizon(len(episode.steps), CONTEXT, horizon)
    device = next(agent.parameters()).device
    return predict(agent.model, episode_batch(episode, context + horizon, device), context)


def films(agent: Agent, episode: Episode) -> dict[str, np.ndarray]:
    """Films of an evaluation for TensorBoard, (T, height, width, channels) uint8; none where no image is observed.

    `evaluation`: the episode as the agent saw it, 200 decisions at most. `open_loop`: real frames above imagined ones.
    """
    images = sorted(name for name, space in agent.config.spec.obs.items() if space.is_image)
    if not images:
        return {}
    by_name = {"evaluation": np.stack([step.obs[images[0]] for step in episode.steps[:200]])}
    with suppress(UserError):
        loop = imagine_episode(agent, episode)
        by_name["open_loop"] = np.concatenate([loop.real, loop.imagined], axis=1)
    return by_name


def episode_batch(episode: Episode, length: int, device: torch.device) -> Batch:
    """The first `length` columns of an episode, or all if it is shorter, as a batch of one."""
    columns = {name: column[None, :length].to(device) for name, column in episode.columns().items()}
    obs = {name.removeprefix("obs/"): column for name, column in columns.items() if name.startswith("obs/")}
    return Batch(obs, **{name: column for name, column in columns.items() if not name.startswith("obs/")})
