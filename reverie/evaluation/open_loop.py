"""Open-loop prediction: show the model a few frames, then let it imagine the rest from the actions alone.

No picture tells more about a world model. The error of each imagined frame stands beside that of the *copy baseline*,
which repeats the last frame shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reverie import tree
from reverie.dynamics.rollout import imagine, observe, prev_action
from reverie.errors import UserError
from reverie.evaluation import figures, films
from reverie.models.world_model import WorldModel
from reverie.signals.base import RewardHead
from reverie.types import Batch


@dataclass(frozen=True)
class OpenLoop:
    """T frames of the first sequence, and errors of the T - context imagined frames, means over all sequences.

    Image errors are root-mean-square differences of pixels, of 255. `reward_error` is in the environment's unit.
    """

    context: int
    real: UInt8[np.ndarray, "T h w c"]
    imagined: UInt8[np.ndarray, "T h w c"]
    """The first `context` frames are reconstructions, the others are imagined."""
    model_error: Float[np.ndarray, " H"]
    copy_error: Float[np.ndarray, " H"]
    reward_error: Float[np.ndarray, " H"]
    """0 if the model predicts no reward."""

    @property
    def panels(self) -> dict[str, UInt8[np.ndarray, "T h w c"]]:
        """The films that are shown together: real, the model's, and their difference."""
        difference = np.abs(self.real.astype(np.int16) - self.imagined).astype(np.uint8)
        return {"real": self.real, "model": self.imagined, "difference": difference}


@torch.no_grad()
def predict(model: WorldModel, batch: Batch, context: int) -> OpenLoop:
    """Observe `context` steps of each sequence, imagine the others by their recorded actions with mean states.

    UserError if the model has no decoder or sees no image, or the sequences are too short.
    """
    posterior, action = filter_context(model, batch, context)
    name = model.normalize.images[0]
    last = tree.map(lambda x: x[:, -1], posterior)
    states = imagine(model.dynamics, last, action, None)
    features = torch.cat([model.dynamics.features(posterior), model.dynamics.features(states)], dim=1)
    decoded = model.decode(features, in_env_units=True)[name]
    real = batch.obs[name].float()

    def error(predicted: Tensor) -> np.ndarray:
        return (predicted - real[:, context:]).square().mean((0, 2, 3, 4)).sqrt().cpu().numpy()

    reward_error = np.zeros(action.shape[1], np.float32)
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


def filter_context(model: WorldModel, batch: Batch, context: int) -> tuple[Any, Float[Tensor, "B H A"]]:
    """Return the mean posteriors (B, context) of the first steps, and the H actions that lead to the others.

    UserError if the model has no decoder or sees no image, or the sequences are too short.
    """
    length = batch.action.shape[1]
    if not model.draws_images:
        raise UserError("An open-loop picture needs a model that sees images and learned to reconstruct them.")
    if not 1 <= context < length:
        raise UserError(f"A context of {context} leaves nothing to imagine in {length} steps: take 1 to {length - 1}.")
    seen = {name: value[:, :context] for name, value in model.normalize(batch.obs).items()}
    action, start = prev_action(batch.action), model.dynamics.initial(batch.action.shape[0])
    embed, first = model.encoder(seen), batch.is_first[:, :context]
    _, posterior = observe(model.dynamics, start, action[:, :context], embed, first, None)
    return posterior, action[:, context:]


def draw(folder: Path, open_loop: OpenLoop) -> dict[str, Path]:
    """Write `open_loop.png`, `open_loop.mp4` and `open_loop_error.png`. Return the files by content."""
    title = "green: seen by the model     red: imagined from the actions alone"
    picture, film = draw_panels(folder / "open_loop", open_loop.panels, open_loop.context, title)
    errors = {"imagined": open_loop.model_error, "last seen frame, repeated": open_loop.copy_error}
    series = {label: list(enumerate(error.tolist(), start=1)) for label, error in errors.items()}
    words = ("Open-loop prediction", "steps into the imagination", "root-mean-square error (of 255)")
    return {
        "open loop": picture,
        "as a film": film,
        "its error": figures.plot(folder / "open_loop_error.png", series, figures.Style(*words, from_zero=True)),
    }


def draw_panels(
    path: Path, panels: Mapping[str, UInt8[np.ndarray, "T h w c"]], context: int, title: str
) -> tuple[Path, Path]:
    """Write films of one length below each other as `path`.png, some steps of them, and beside each other as .mp4."""
    length = len(next(iter(panels.values())))
    steps = [*films.spread(0, context, 5), *films.spread(context, length, 11)]
    strip = films.film_rows(panels, steps, context, title, least_side=100)
    picture = films.write_image(path.with_suffix(".png"), strip)
    return picture, films.write_video(path.with_suffix(".mp4"), films.film_panels(panels, context), fps=10)
