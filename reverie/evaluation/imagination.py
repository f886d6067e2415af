"""Let an agent's model continue an episode from its first observations."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import torch
from jaxtyping import UInt8

from reverie.agents.agent import Agent
from reverie.data.episodes import Episode
from reverie.data.replay import to_batch
from reverie.errors import UserError
from reverie.evaluation.open_loop import OpenLoop, predict
from reverie.types import Batch

FPS = 25.0
"""Decisions a second in a film."""
CONTEXT, HORIZON = 5, 45


def imagine_episode(agent: Agent, episode: Episode, context: int | None = None, horizon: int = HORIZON) -> OpenLoop:
    """Show the model `context` decisions of an episode, then imagine up to `horizon` more from the actions alone.

    UserError if the agent decodes no image, or the episode is not longer than the context.
    """
    context = context_of(episode, context)
    return predict(agent.model, episode_batch(episode, context + horizon, next(agent.parameters()).device), context)


def context_of(episode: Episode, context: int | None) -> int:
    """Return `context`, or the default: 5 decisions, at most half of the episode."""
    return max(1, min(CONTEXT, len(episode.steps) // 2)) if context is None else context


def most_eventful(episodes: Sequence[Episode], image: str) -> Episode:
    """Return the episode in which repeating the last frame shown predicts worst, of those that are long enough.

    There a model has most to predict. Where nothing moves, any model is right.
    """

    def events(episode: Episode) -> tuple[int, float]:
        frames = np.stack([step.obs[image] for step in episode.steps[: CONTEXT + HORIZON]]).astype(np.float32)
        context = context_of(episode, None)
        return len(frames), float(np.square(frames[context:] - frames[context - 1]).mean())

    return max(episodes, key=events)


def films(agent: Agent, episode: Episode) -> dict[str, UInt8[np.ndarray, "T h w c"]]:
    """Return films of an evaluation for TensorBoard, none if the agent sees no image.

    `evaluation`: the first 200 decisions as the agent saw them. `open_loop`: real frames above imagined ones.
    """
    images = agent.model.normalize.images
    if not images:
        return {}
    by_name = {"evaluation": np.stack([step.obs[images[0]] for step in episode.steps[:200]])}
    with suppress(UserError):
        loop = imagine_episode(agent, episode)
        by_name["open_loop"] = np.concatenate([loop.real, loop.imagined], axis=1)
    return by_name


def episode_batch(episode: Episode, length: int, device: torch.device) -> Batch:
    """Return the first `length` steps of an episode, or all if it is shorter, as a batch of one."""
    return to_batch({name: column[None, :length].to(device) for name, column in episode.columns().items()})
