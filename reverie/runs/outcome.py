"""What a trained agent has to show, drawn into its run's folder: returns, film, imagination against reality.

evaluation.json  evaluation.mp4  curve.png  open_loop.png  open_loop.mp4  open_loop_error.png
"""

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from reverie.agents.agent import Agent, load
from reverie.data.episodes import Episode
from reverie.errors import UserError
from reverie.evaluate import figures
from reverie.evaluate.human_scores import normalized
from reverie.evaluate.open_loop import predict
from reverie.evaluate.returns import Evaluation, evaluate
from reverie.files import atomic_write
from reverie.runs.config import OnlineConfig
from reverie.runs.logger import read_metrics
from reverie.types import Batch

FPS = 25.0
"""Decisions a second in a film."""
CONTEXT, HORIZON = 5, 45


def write(folder: Path, config: OnlineConfig) -> tuple[Evaluation, dict[str, Path]]:
    """Evaluate the agent of a finished run and draw everything.

    Returns the evaluation, and the files by what they are.
    """
    agent = load(folder, config.device)
    result = evaluate(agent, config.env, config.evaluation.final_episodes, config.seed, film=True)
    paths = {"evaluation": folder / "evaluation.json", "curve": draw_curve(folder, config, result)}
    numbers = {
        "returns": result.returns,
        "lengths_frames": result.lengths_frames,
        "mean": float(np.mean(result.returns)),
        "standard_deviation": float(np.std(result.returns)),
        "env": config.env.id,
        "seed": config.seed,
    }
    human = normalized(config.env, float(np.mean(result.returns)))
    if human is not None:
        numbers["human_normalized"] = human
    atomic_write(paths["evaluation"], json.dumps(numbers, indent=1).encode())
    if result.frames is not None:
        paths["film"] = figures.write_video(folder / "evaluation.mp4", result.frames, FPS)
    episode = max(result.episodes, key=lambda episode: len(episode.steps))
    # A world model may do without decoded images; then there is no imagination to look at.
    with suppress(UserError):
        paths |= draw_imagination(agent, episode, CONTEXT, HORIZON, folder)
    return result, paths


def draw_curve(folder: Path, config: OnlineConfig, final: Evaluation) -> Path:
    """`curve.png`: returns of training and evaluation episodes against environment frames."""
    runs = {
        "training episodes": [(line["frames"], line["return"]) for line in read_metrics(folder, "episode")],
        "evaluation": [(line["frames"], line["return"]) for line in read_metrics(folder, "evaluation")],
    }
    runs["evaluation"].append((config.training.frames, float(np.mean(final.returns))))
    title = f"{config.recipe} on {config.env.id}, seed {config.seed}"
    return figures.curve(folder / "curve.png", runs, title)


def draw_imagination(agent: Agent, episode: Episode, context: int, horizon: int, folder: Path) -> dict[str, Path]:
    """Strip, film and error of what the model imagines after the first `context` decisions of an episode.

    Raises `UserError` where the agent decodes no image, or the episode is not longer than the context.
    """
    device = next(agent.parameters()).device
    found = predict(agent.model, as_batch(episode, context + horizon, device), context)
    films = (found.real, found.imagined, context)
    return {
        "open loop": figures.open_loop_strip(folder / "open_loop.png", *films),
        "as a film": figures.open_loop_video(folder / "open_loop.mp4", *films),
        "its error": figures.error_plot(folder / "open_loop_error.png", found.model_error, found.copy_error),
    }


def films(agent: Agent, episode: Episode) -> dict[str, np.ndarray]:
    """What TensorBoard shows of an evaluation, (T, height, width, channels) uint8 by name; nothing if no image is seen.

    `evaluation`: the episode as the agent saw it, 200 steps at most. `open_loop`: real frames above imagined ones.
    """
    images = sorted(name for name, space in agent.config.spec.obs.items() if space.is_image)
    if not images:
        return {}
    found = {"evaluation": np.stack([step.obs[images[0]] for step in episode.steps[:200]])}
    with suppress(UserError):
        device = next(agent.parameters()).device
        loop = predict(agent.model, as_batch(episode, CONTEXT + HORIZON, device), CONTEXT)
        found["open_loop"] = np.concatenate([loop.real, loop.imagined], axis=1)
    return found


def as_batch(episode: Episode, length: int, device: torch.device) -> Batch:
    """The first `length` columns of an episode, or all if it is shorter, as a batch of one."""
    columns = {name: torch.from_numpy(column[None, :length]).to(device) for name, column in episode.columns().items()}
    obs = {name.removeprefix("obs/"): column for name, column in columns.items() if name.startswith("obs/")}
    return Batch(obs, **{name: column for name, column in columns.items() if not name.startswith("obs/")})
