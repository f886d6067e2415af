"""Evaluate a trained agent again: other episodes, another planner, environment or goal. Earlier results stay.

Results go to `evaluations/001/`, `002/`, ... in the run's folder: `evaluation.json`, or `goals.json` and film strips.
"""

from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from reverie import envs
from reverie.agents.agent import Agent, load, needs_goal, with_goal, with_planner
from reverie.config import hub
from reverie.config.overrides import as_text, override
from reverie.envs import from_python
from reverie.envs.base import EnvConfig
from reverie.envs.conversions import resize
from reverie.errors import UserError
from reverie.evaluation import dream, films, open_loop, plan_picture, returns
from reverie.evaluation.dream import Dream
from reverie.evaluation.goals import goal_environment, image_distances
from reverie.evaluation.imagination import HORIZON, imagine_episode
from reverie.evaluation.open_loop import OpenLoop
from reverie.files import check_writable, make_folder
from reverie.planning.actor import PlanningConfig
from reverie.planning.objectives import RewardAndValueConfig
from reverie.runs.config import OfflineConfig, OnlineConfig, read_config
from reverie.runs.environment import EnvArgument, choose_environment
from reverie.runs.online import load_value
from reverie.runs.results import Results, play, pursue_goals
from reverie.spaces import EnvSpec

_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
Image = UInt8[np.ndarray, "H W C"]


def evaluate(
    run: str | Path | Agent,
    episodes: int = 10,
    *,
    env: EnvArgument | None = None,
    planner: PlanningConfig | Mapping[str, Any] | None = None,
    goal: str | Path | Image | None = None,
    video: str | Path | None = None,
    moment: int | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Results:
    """Play episodes with the agent of a run's folder, or with an `Agent`. Earlier results are not overwritten.

    - `episodes`: how many to play. The same `seed` gives the same ones.
    - `env`: another environment, or settings of the agent's own, such as `{"kwargs": "g=5"}`. An agent from recordings
      needs one. `reverie.train` lists the forms that it may have.
    - `planner`: act by planning: a `PlanningConfig`, or settings such as `{"planner": "CEM", "planner.horizon": 5}`.
    - `goal`: an image to act towards (a file or (H, W, C) uint8), or the name of a goal of the environment. The default
      is every goal of the run's config.
    - `video`: an mp4 or gif file for a film of the first episode.
    - `moment`: draw the candidates of a planner, so many decisions into the first episode.
    - `out`: a PNG file for the moment, or a folder for named goals. The default is the folder of the other results.
    - `device`: `auto`, `cpu` or `cuda`. An `Agent` stays on its device.

    Raises `UserError` for mistakes.
    """
    if video is not None:
        films.check_ending(Path(video))
    for file in (video, out if moment is not None else None):
        if file is not None:
            check_writable(Path(file))
    agent, folder = _load(run, device)
    agent = agent if planner is None else plan_with(agent, folder, planner)
    config = environment_of(agent, env)
    towards_goal, picture_given = needs_goal(agent), _is_picture(goal)
    if not towards_goal and goal is not None:
        raise UserError("`--goal` is for agents that act towards goal images, such as a run of cfm.")
    if not towards_goal and out is not None and moment is None:
        raise UserError("`--out` is where the picture of a moment goes: say which by --moment N.")
    if towards_goal and (moment is not None or (video is not None and not picture_given)):
        raise UserError("Episodes towards goals are shown as film strips: leave --video and --moment out.")
    if towards_goal and not picture_given:
        names = (str(goal),) if goal is not None else _read_goals(folder)
        _check_named_goals(config, names)
        place = Path(out) if out is not None else Path(".") if folder is None else new_folder(folder)
        make_folder(place)
        return pursue_goals(place, agent, config, names, episodes, seed)

    image = goal_image(agent, goal) if goal is not None else {}
    agent = with_goal(agent, image) if image else agent
    if moment is not None:
        plan_picture.planning_actor(agent)
    sampled = moment is None and folder is not None and _is_sampled(folder)  # a picture repeats the fixed noise
    results, played = play(agent, config, episodes, seed, None if video is None else Path(video), moment, sampled)
    lines = enumerate(zip(played.returns, played.lengths_frames))
    results.sentences[:0] = [f"episode {number}: return {x:.1f} in {frames} frames" for number, (x, frames) in lines]
    for name, pixels in image.items():
        results.values["goal_image"] = distances = image_distances(played.episodes, name, pixels)
        results.sentences.append(
            f"distance to the goal image (rms of 255): {distances['start']:.1f} at the start, {distances['end']:.1f} "
            f"at the end, {distances['best']:.1f} at best"
        )
    plans = None if moment is None else plan_picture.record(agent, played)
    place = None
    if folder is not None:
        with results.extra("evaluation.json"):  # a run folder may be read-only
            place = new_folder(folder)
            results.write(place / "evaluation.json", results.values)
    if plans is not None:
        path = Path(out) if out is not None else (place or Path(".")) / "plans.png"
        results.sentences.append(plan_picture.sentence(plans))
        with results.extra("picture of the plans"):
            make_folder(path.parent)
            results.files["plans"] = plan_picture.draw(path, plans, plan_picture.title(agent, plans))
    return results


@dataclass(frozen=True)
class Imagination:
    """What a model imagined beside what happened, and the pictures of it by name."""

    loop: OpenLoop
    dream: Dream | None
    """What the policy did in the model, None for an agent that plans."""
    files: dict[str, Path]


def imagine(
    run: str | Path | Agent,
    context: int | None = None,
    horizon: int = HORIZON,
    *,
    env: EnvArgument | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Imagination:
    """Play an episode, show the model its first `context` decisions, and let it imagine `horizon` more.

    It imagines the consequences of the actions that were played, and those of its own policy (`evaluation.dream`).

    The pictures go to the folder `out`, by default the run's; an `Agent` without `out` draws none.
    """
    agent, folder = _load(run, device)
    place = Path(out) if out is not None else folder
    if place is not None:
        make_folder(place)  # before anything is played
    episode = returns.evaluate(agent, environment_of(agent, env), 1, seed).episodes[0]
    loop = imagine_episode(agent, episode, context, horizon)
    dreamed = dream.dream(agent, episode, context, horizon)
    files = {} if place is None else open_loop.draw(place, loop)
    if place is not None and dreamed is not None:
        files |= dream.draw(place, dreamed)
    return Imagination(loop, dreamed, files)


def plan_with(agent: Agent, folder: Path | None, planner: PlanningConfig | Mapping[str, Any]) -> Agent:
    """Return the agent with a planner: `planner` itself, or the agent's own or the default one with these settings.

    An objective with a learned value takes its discount from the training of the value, unless `planner` sets another.
    """
    if isinstance(planner, PlanningConfig):
        planning, keep_discount = planner, True
    else:
        own = agent.config.actor
        texts = {path: as_text(value) for path, value in planner.items()}
        planning = override(own if isinstance(own, PlanningConfig) else PlanningConfig(), texts, prefix="--")
        keep_discount = "objective.gamma" in texts
    if folder is None or not isinstance(planning.objective, RewardAndValueConfig):
        return with_planner(agent, planning)
    gamma = getattr(getattr(read_config(folder), "behavior", None), "gamma", None)
    if gamma is not None and not keep_discount:
        planning = replace(planning, objective=replace(planning.objective, gamma=gamma))
    return with_planner(agent, planning, load_value(folder, agent))


def environment_of(agent: Agent, env: EnvArgument | None) -> EnvConfig:
    """Return the environment to play in. UserError if there is none, or it does not fit the agent."""
    if env is None:
        from_python.require(agent.config.env)
        return agent.config.world
    spec, base = agent.config.spec, agent.config.env
    if base is None:  # what the recordings imply
        sizes = [space.shape[0] for space in spec.obs.values() if space.is_image]
        base = EnvConfig(observe=tuple(spec.obs), image_size=sizes[0] if sizes else 64, repeat=spec.repeat)
    config = choose_environment(base, env)
    with closing(envs.make(replace(config, count=1, workers=False))) as environment:
        actual = environment.spec
    if actual.action != spec.action or not spec.obs.items() <= actual.obs.items():
        raise UserError(
            f"{config.id} does not fit this agent, which sees {_in_words(spec)}: it gives {_in_words(actual)}."
        )
    return config


def new_folder(folder: Path) -> Path:
    """Make the next of `evaluations/001`, `002`, ... of a run."""
    for number in count(1):
        path = folder / "evaluations" / f"{number:03d}"
        with suppress(FileExistsError):
            path.mkdir(parents=True)
            break
    return path


def goal_image(agent: Agent, goal: str | Path | Image) -> dict[str, Image]:
    """Return an image as the agent's observation, resized, in its colors. UserError if it sees more than an image."""
    spec = agent.config.spec.obs
    name, space = next(iter(spec.items()))
    if len(spec) > 1 or not space.is_image:
        raise UserError(f"A goal image says nothing of the rest that this agent sees: {', '.join(spec)}.")
    height, _, channels = space.shape
    if not isinstance(goal, np.ndarray):
        return {name: resize(_read_picture(goal, channels), height)}
    if goal.ndim != 3 or goal.shape[2] != channels or goal.dtype != np.uint8:
        raise UserError(
            f"The goal is an array {goal.shape} of {goal.dtype}: give one (height, width, {channels}) of uint8."
        )
    return {name: resize(goal, height)}


def _read_picture(path: str | Path, channels: int) -> Image:
    from PIL import Image as Pictures

    if channels not in (1, 3):
        raise UserError(f"This agent sees images of {channels} channels: give the goal from Python, as an array.")
    try:
        with Pictures.open(path) as picture:
            pixels = np.asarray(picture.convert("RGBA").convert("L" if channels == 1 else "RGB"))
    except OSError as error:
        raise UserError(f"{path} is not an image that can be read: give a PNG or JPEG file.") from error
    return pixels.reshape(*pixels.shape[:2], channels)


def _load(run: str | Path | Agent, device: str) -> tuple[Agent, Path | None]:
    if isinstance(run, Agent):
        return run, None
    folder = hub.local(run, copy=True)
    return load(folder, device), folder


def _is_picture(goal: str | Path | Image | None) -> bool:
    return isinstance(goal, np.ndarray | Path) or (goal is not None and goal.lower().endswith(_PICTURES))


def _is_sampled(folder: Path) -> bool:
    """Whether the run evaluates with sampled beliefs. An agent alone, without its run, does not."""
    config = read_config(folder) if (folder / "config.json").exists() else None
    return isinstance(config, OnlineConfig) and config.evaluation.sampled


def _read_goals(folder: Path | None) -> tuple[str, ...]:
    config = None if folder is None else read_config(folder)
    names = config.goals if isinstance(config, OfflineConfig) else ()
    if not names:
        raise UserError("This agent acts towards a goal: give it an image, such as --goal up.png.")
    return names


def _check_named_goals(config: EnvConfig, names: tuple[str, ...]) -> None:
    try:
        envs.make(goal_environment(config, "", 1)).close()
    except UserError as error:
        if "has no observation 'goal'" not in str(error):
            raise
        raise UserError(
            f"{config.id} has no goal named {names[0]!r}: give an image file, such as --goal up.png."
        ) from error


def _in_words(spec: EnvSpec) -> str:
    seen = ", ".join(f"{name} {space.shape}" for name, space in spec.obs.items())
    return f"{seen} and {spec.action.size} {'discrete' if spec.action.discrete else 'continuous'} actions"
