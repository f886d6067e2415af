"""Evaluate a trained agent again: other episodes, another planner, environment or goal. Earlier results stay.

Results go to `evaluations/001/`, `002/`, ... in the run's folder: `evaluation.json`, or `goals.json` and film strips.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from reverie import envs
from reverie.agents.agent import Agent, load, needs_goal, with_goal, with_planner
from reverie.config.overrides import as_text, override
from reverie.envs import from_python
from reverie.envs.base import EnvConfig
from reverie.envs.conversions import resize
from reverie.errors import UserError
from reverie.evaluation import open_loop, plan_picture, returns
from reverie.evaluation.goals import goal_environment, image_distances
from reverie.evaluation.imagination import HORIZON, imagine_episode
from reverie.evaluation.open_loop import OpenLoop
from reverie.planning.actor import PlanningConfig
from reverie.planning.objectives import RewardAndValueConfig
from reverie.runs.config import OfflineConfig, read_config
from reverie.runs.environment import EnvArgument, choose_environment
from reverie.runs.online import load_value
from reverie.runs.results import Results, play, pursue_goals, write_json
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

    Args:
        run: a run's folder, or an agent.
        episodes: how many to play; the same `seed` gives the same ones.
        env: another environment, or settings of the agent's own: an id, an `EnvConfig`, a class, a factory, an object,
            or a mapping such as `{"kwargs": "g=5"}`. An agent from recordings needs one.
        planner: act by planning: a `PlanningConfig`, or settings such as `{"planner": "CEM", "planner.horizon": 5}`.
        goal: an image to act towards (a file or (H, W, C) uint8), or the name of a goal of the environment. By default
            the run's goals, one by one.
        video: mp4 file for a film of the first episode.
        moment: draw the candidates of a planner, so many decisions into the first episode.
        out: PNG file for the moment, or folder for named goals; by default with the other results.
        device: `auto`, `cpu` or `cuda`; an agent stays where it is.

    Raises `UserError` for mistakes.
    """
    agent, folder = (run, None) if isinstance(run, Agent) else (load(run, device), Path(run))
    agent = agent if planner is None else plan_with(agent, folder, planner)
    config = environment_of(agent, env)
    if not needs_goal(agent):
        if goal is not None:
            raise UserError("`--goal` is for agents that act towards goal images, such as a run of cfm.")
        if out is not None and moment is None:
            raise UserError("`--out` is where the picture of a moment goes: say which by --moment N.")
        return _play(agent, config, folder, episodes, video, moment, out, seed)
    if moment is not None or (video is not None and not _is_picture(goal)):
        raise UserError("Episodes towards goals are shown as film strips: leave --video and --moment out.")
    if goal is not None and _is_picture(goal):
        image = goal_image(agent, goal)
        return _play(with_goal(agent, image), config, folder, episodes, video, None, None, seed, image)
    names = (str(goal),) if goal is not None else _own_goals(folder)
    _check_named_goals(config, names)
    place = Path(out) if out is not None else Path(".") if folder is None else new_folder(folder)
    place.mkdir(parents=True, exist_ok=True)
    return pursue_goals(place, agent, config, names, episodes, seed)


@dataclass(frozen=True)
class Imagination:
    """What a model imagined beside what happened, and the pictures of it by name."""

    loop: OpenLoop
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

    The pictures go to the folder `out`, by default the run's; an `Agent` without `out` draws none.
    """
    agent, folder = (run, None) if isinstance(run, Agent) else (load(run, device), Path(run))
    episode = returns.evaluate(agent, environment_of(agent, env), 1, seed).episodes[0]
    loop = imagine_episode(agent, episode, context, horizon)
    place = Path(out) if out is not None else folder
    if place is None:
        return Imagination(loop, {})
    place.mkdir(parents=True, exist_ok=True)
    return Imagination(loop, open_loop.draw(place, loop))


def plan_with(agent: Agent, folder: Path | None, planner: PlanningConfig | Mapping[str, Any]) -> Agent:
    """The agent, acting by its own planner or the default one with these settings.

    Beside a learned value rewards are discounted as the value was learned, unless `planner` says otherwise.
    """
    if isinstance(planner, PlanningConfig):
        planning, keep_discount = planner, True
    else:
        own = agent.config.actor
        texts = {path: as_text(value) for path, value in planner.items()}
        planning = override(own if isinstance(own, PlanningConfig) else PlanningConfig(), texts)
        keep_discount = "objective.gamma" in texts
    if folder is None or not isinstance(planning.objective, RewardAndValueConfig):
        return with_planner(agent, planning)
    gamma = getattr(getattr(read_config(folder), "behavior", None), "gamma", None)
    if gamma is not None and not keep_discount:
        planning = replace(planning, objective=replace(planning.objective, gamma=gamma))
    return with_planner(agent, planning, load_value(folder, agent))


def environment_of(agent: Agent, env: EnvArgument | None) -> EnvConfig:
    """The environment to play in. UserError without one, or where it does not fit the agent."""
    if env is None:
        from_python.require(agent.config.env)
        return agent.config.world
    spec = agent.config.spec
    config = choose_environment(agent.config.env or _as_seen(spec), env)
    environment = envs.make(replace(config, count=1, workers=False))
    actual = environment.spec
    environment.close()
    if actual.action != spec.action or not spec.obs.items() <= actual.obs.items():
        raise UserError(
            f"{config.id} does not fit this agent, which sees {_in_words(spec)}: it gives {_in_words(actual)}."
        )
    return config


def new_folder(folder: Path) -> Path:
    """The next of `evaluations/001`, `002`, ... of a run, made."""
    for number in count(1):
        path = folder / "evaluations" / f"{number:03d}"
        with suppress(FileExistsError):
            path.mkdir(parents=True)
            break
    return path


def goal_image(agent: Agent, goal: str | Path | Image) -> dict[str, Image]:
    """An image as an observation of the agent, resized and in its colors. UserError where it sees more than that."""
    spec = agent.config.spec.obs
    name, space = next(iter(spec.items()))
    if len(spec) > 1 or not space.is_image:
        raise UserError(f"A goal image says nothing of the rest that this agent sees: {', '.join(spec)}.")
    height, _, channels = space.shape
    if isinstance(goal, np.ndarray):
        if goal.ndim != 3 or goal.shape[2] != channels or goal.dtype != np.uint8:
            raise UserError(
                f"The goal is an array {goal.shape} of {goal.dtype}: give one (height, width, {channels}) of uint8."
            )
        return {name: resize(goal, height)}
    from PIL import Image as Pictures

    try:
        with Pictures.open(goal) as picture:
            pixels = np.asarray(picture.convert("RGBA").convert("L" if channels == 1 else "RGB"))
    except OSError as error:
        raise UserError(f"{goal} is not an image that can be read: give a PNG or JPEG file.") from error
    if channels not in (1, 3):
        raise UserError(f"This agent sees images of {channels} channels: give the goal from Python, as an array.")
    return {name: resize(pixels.reshape(*pixels.shape[:2], channels), height)}


def _play(
    agent: Agent,
    config: EnvConfig,
    folder: Path | None,
    episodes: int,
    video: str | Path | None,
    moment: int | None,
    out: str | Path | None,
    seed: int,
    goal: dict[str, Image] | None = None,
) -> Results:
    if moment is not None:
        plan_picture.planning_actor(agent)
    played = play(agent, config, episodes, seed, None if video is None else Path(video), moment)
    evaluation, values, files = played.evaluation, dict(played.values), dict(played.files)
    assert evaluation is not None
    lines = enumerate(zip(evaluation.returns, evaluation.lengths_frames))
    sentences = [f"episode {number}: return {value:.1f} in {length} frames" for number, (value, length) in lines]
    sentences += played.sentences
    if goal is not None:
        ((name, image),) = goal.items()
        values["goal_image"] = distances = image_distances(evaluation.episodes, name, image)
        sentences.append(
            f"distance to the goal image (rms of 255): {distances['start']:.1f} at the start, {distances['end']:.1f} "
            f"at the end, {distances['best']:.1f} at best"
        )
    picture = None if moment is None else plan_picture.record(agent, evaluation, moment)
    place = None if folder is None else new_folder(folder)
    if picture is not None:
        path = Path(out) if out is not None else (place or Path(".")) / "plans.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        sentences.append(plan_picture.sentence(picture))
        files["plans"] = plan_picture.draw(path, picture, plan_picture.title(agent, picture))
    if place is not None:
        files["evaluation"] = write_json(place / "evaluation.json", values)
    return Results(values, files, sentences, evaluation)


def _is_picture(goal: str | Path | Image | None) -> bool:
    return isinstance(goal, np.ndarray | Path) or (goal is not None and goal.lower().endswith(_PICTURES))


def _own_goals(folder: Path | None) -> tuple[str, ...]:
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


def _as_seen(spec: EnvSpec) -> EnvConfig:
    """The environment settings that the recordings of `spec` imply: observations, image size and action repeat."""
    sizes = [space.shape[0] for space in spec.obs.values() if space.is_image]
    return EnvConfig(observe=tuple(spec.obs), image_size=sizes[0] if sizes else 64, repeat=spec.repeat)


def _in_words(spec: EnvSpec) -> str:
    seen = ", ".join(f"{name} {space.shape}" for name, space in spec.obs.items())
    return f"{seen} and {spec.action.size} {'discrete' if spec.action.discrete else 'continuous'} actions"
