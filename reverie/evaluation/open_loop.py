"""Open-loop prediction: show the model a few frames, then let it imagine the rest from the actions alone.

The picture that tells most about a world model, and a number beside it: the error of each imagined frame against
that of the *copy baseline*, which repeats the last frame that was shown.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reverie import tree
from reverie.dynamics.rollout import imagine, observe, prev_action
from reverie.errors import UserError
from reverie.evaluation import figures, films
from reverie.models.world_model import WorldModel
from reverie.signals.base import ReconstructionHead, RewardHead
from reverie.types import Batch


@dataclass(frozen=True)
class OpenLoop:
    """T frames, the first `context` of them reconstructed from what was seen, the others imagined.

    Errors are root-mean-square differences of pixels, of 255, one for each of the T - context imagined frames,
    averaged over the sequences; `reward_error` is in the environment's unit.
    """

    context: int
    real: np.ndarray
    """(T, height, width, channels) uint8, the first sequence."""
    imagined: np.ndarray
    """The same shape."""
    model_error: np.ndarray
    copy_error: np.ndarray
    reward_error: np.ndarray


def context_and_horizon(length: int, context: int, horizon: int) -> tuple[int, int]:
    """How many of an episode's `length` steps to show and to imagine: at most `context` and `horizon`.

    At most half of a short episode is shown, so that several frames are left to imagine.
    """
    context = max(1, min(context, length // 2))
    return context, min(horizon, length - context)


@torch.no_grad()
def predict(model: WorldModel, batch: Batch, context: int) -> OpenLoop:
    """Observe `context` steps of each sequence, imagine the others by their recorded actions with mean states.

    The batch's first sequence is the one shown. UserError where the model has no decoder or sees no image, or
    the sequences are too short.
    """
    length, images = batch.action.shape[1], model.normalize.images
    if not model.has(ReconstructionHead) or not images:
        raise UserError("An open-loop picture needs a model that sees images and learned to reconstruct them.")
    if not 1 <= context < length:
        raise UserError(f"A context of {context} leaves nothing to imagine in {length} steps: take 1 to {length - 1}.")
    obs, name = model.normalize(batch.obs), images[0]
    action = prev_action(batch.action)
    seen = {key: value[:, :context] for key, value in obs.items()}
    start = model.dynamics.initial(batch.action.shape[0])
    first = batch.is_first[:, :context]
    _, posterior = observe(model.dynamics, start, action[:, :context], model.encoder(seen), first, None)
    last = tree.map(lambda x: x[:, -1], posterior)
    states = imagine(model.dynamics, last, action[:, context:], None)
    features = torch.cat([model.dynamics.features(posterior), model.dynamics.features(states)], dim=1)
    decoded = model.decode(features, in_env_units=True)[name]
    real = batch.obs[name].float()

    def error(predicted: Tensor) -> np.ndarray:
        return (predicted - real[:, context:]).square().mean((0, 2, 3, 4)).sqrt().cpu().numpy()

    reward_error = np.zeros(length - context, np.float32)
    if model.has(RewardHead):
        reward = model.reward(features[:, context:], in_env_units=True)
        reward_error = (reward - batch.reward[:, context:]).square().mean(0).sqrt().cpu().numpy()
    return OpenLoop(
        context=context,
        real=batch.obs[name][0].cpu().numpy(),
        imagined=decoded[0].round().to(torch.uint8).cpu().numpy(),
        model_error=error(decoded[:, context:]),
        copy_error=error(real[:, context - 1 : context].expand_as(real[:, context:])),
        reward_error=reward_error,
    )


def draw(folder: Path, open_loop: OpenLoop) -> dict[str, Path]:
    """`open_loop.png`, `open_loop.mp4` and `open_loop_error.png`; returns the files by what they are."""
    parts = (open_loop.real, open_loop.imagined, open_loop.context)
    errors = {"imagined": open_loop.model_error, "last seen frame, repeated": open_loop.copy_error}
    style = figures.Style(
        "Open-loop prediction", "steps into the imagination", "root-mean-square error (of 255)", from_zero=True
    )
    series = {label: list(enumerate(error.tolist(), start=1)) for label, error in errors.items()}
    return {
        "open loop": films.open_loop_strip(folder / "open_loop.png", *parts),
        "as a film": films.open_loop_video(folder / "open_loop.mp4", *parts),
        "its error": figures.plot(folder / "open_loop_error.png", series, style),
    }
