"""`--size auto`: the size of a recipe that fits what is observed, the machine and the budget, with the reason.

- An agent that sees images of at most 16 pixels gets `small`, where the recipe has it: dense layers at that size. A
  recipe for images of any size gets them at their own, instead of enlarged.
- On a GPU it gets `paper`, or a smaller published size, if three things hold by measurement. Its memory suffices, a
  replay that is to lie in main memory takes at most half of it, and the run ends within a day. With a budget of time a
  tenth of the run has to fit.
- Everything else gets `laptop`: on a CPU an update of `paper` costs 10 to 40 times as much (`docs/guides/cost.md`).

`tiny` learns too little to be chosen, and sizes beyond `paper` are for those who name them. A model of recordings gets
`laptop`, because nothing is known of the data before they are recorded.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import cast

import torch

from reverie import envs
from reverie.agents.agent import choose_device
from reverie.data.storage import available_memory
from reverie.envs.base import EnvConfig
from reverie.errors import UserError
from reverie.recipes.presets import SMALL, published_protocol
from reverie.runs.config import OnlineConfig, RunConfig
from reverie.runs.display import duration
from reverie.runs.processor import choose_threads
from reverie.runs.speed import Speed, measure
from reverie.runs.time_budget import in_words

ANY_SIZE = ("dreamer_v3", "dreamer_v3_published")
"""Recipes whose size `laptop` is for images of any size."""
GPU_SIZES = ("paper", "1m")
"""Published sizes from the largest down that are tried on a GPU, where a recipe has them."""
PATIENCE = 24 * 3600.0
"""Seconds that a run may take on a GPU without a budget of time."""
PART = 0.1
"""The least part of a run that a budget of time must allow."""
MEMORY = 0.5
"""The part of free memory that a replay may take."""
FEW = 1_000
"""Updates below which an agent cannot be expected to learn; the demo makes 1,750."""


@dataclass(frozen=True)
class Choice:
    """A config of the chosen size, and the sentences that say why and how long it takes."""

    config: RunConfig
    why: str = ""
    time: str = ""
    """Empty where it was not measured."""


def choose(
    build: Callable[[str], RunConfig], sizes: Sequence[str], keep_image_size: bool = False, timed: bool = False
) -> Choice:
    """Choose among the `sizes` of a recipe, which `build` makes a config of.

    `keep_image_size`: the user has set it. `timed`: measure how long the run takes, which needs its environment.
    """
    config = build("laptop")
    if not isinstance(config, OnlineConfig):
        return Choice(config, f"Size laptop, as for every model of recordings; --size {sizes[-1]} is another.")
    side = _longest_side(config.env, must=timed)
    seen = _in_words(config.env, side)
    device = choose_device(config.device)
    if side is not None and side <= SMALL < config.env.image_size and "small" in sizes:
        small = cast(OnlineConfig, build("small"))
        return _timed(small if keep_image_size else _with_images(small, side), f"Size small, because {seen}.", timed)
    if side is not None and side < config.env.image_size and not keep_image_size and config.recipe in ANY_SIZE:
        config = _with_images(config, side)
    if device.type != "cuda":
        return _timed(config, f"Size laptop, because {seen}, and larger sizes are for a GPU.", timed)
    refused = []
    for size in (size for size in GPU_SIZES if size in sizes):
        problem, speed = _problem(build(size), device)
        if problem is None and speed is not None:
            return Choice(speed.config, f"Size {size}, because {seen} and there is a GPU.", in_time(speed))
        refused.append(f"{size} {problem}")
    return _timed(config, f"Size laptop, because {seen}; {' and '.join(refused) or 'there is no larger one'}.", timed)


def _problem(config: RunConfig, device: torch.device) -> tuple[str | None, Speed | None]:
    """Return why a config does not fit the machine or the budget, or what was measured."""
    assert isinstance(config, OnlineConfig)
    try:
        speed = measure(config)
    except torch.OutOfMemoryError:
        return "does not fit into the GPU's memory", None
    storage = device if config.replay.storage == "device" else torch.device("cpu")
    if config.replay.storage in ("memory", "device") and speed.replay_bytes > MEMORY * available_memory(storage):
        return f"needs {speed.replay_bytes / 2**30:.0f} GiB of memory for its replay", None
    minutes, seconds = config.training.minutes, speed.seconds()
    if seconds > PATIENCE and minutes is None:
        return f"would take {duration(seconds)}", None
    if minutes is not None and PART * seconds > 60 * minutes:
        return f"would take {duration(seconds)}, more than ten times the budget", None
    return None, speed


def _timed(config: OnlineConfig, why: str, timed: bool) -> Choice:
    if not timed:
        return Choice(config, why)
    if not config.threads:
        config = replace(config, threads=choose_threads(torch.get_num_threads()))
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        return Choice(config, why, in_time(measure(config)))
    finally:
        torch.set_num_threads(threads)


def in_time(speed: Speed) -> str:
    """Say how long the run takes, and what a budget of time makes of it."""
    training, seconds = speed.config.training, speed.seconds()
    text = (
        f"{training.frames:,} frames with {speed.updates:,} updates take about {duration(seconds)} here, by "
        f"{speed.update:.2g} s an update and {speed.decision:.2g} s a decision, measured now"
    )
    if training.minutes is None:
        return f"{text}."
    budget, limit = in_words(training.minutes), 60 * training.minutes
    frames = speed.frames_in(limit)
    if seconds <= limit:
        return f"{text}. The time budget of {budget} would allow --training.frames {frames}."
    updates = speed.updates_of(frames) if frames else 0
    few = ", which is too little to learn much" if updates < FEW else ""
    return f"{text}. The time budget of {budget} allows about {frames:,} frames with {updates:,} updates{few}."


def _longest_side(env: EnvConfig, must: bool) -> int | None:
    """Return the longest side of the images of an environment that no published protocol knows; None without images.

    UserError where it cannot be made, if it `must`.
    """
    if published_protocol(env.id).family != "gymnasium" or env.id == "Pendulum-v1":
        return env.image_size
    try:
        with closing(envs.make(replace(env, count=1, workers=False))) as made:
            return made.longest_side if hasattr(made, "longest_side") else env.image_size  # pyrefly: ignore
    except UserError:
        if must:
            raise
        return env.image_size


def _with_images(config: OnlineConfig, side: int) -> OnlineConfig:
    return replace(config, env=replace(config.env, image_size=side))


def _in_words(env: EnvConfig, side: int | None) -> str:
    if side is None:
        return f"{env.id} observes no images"
    shown = min(side, env.image_size)
    return f"{env.id} observes images of {shown}x{shown} pixels"
