"""The results of a finished run: measured, drawn and written into its folder.

evaluation.json   the numbers, of every run
evaluation.mp4  curve.png  open_loop.*  open_loop_error.png    of an agent that learned in environments
generation.png  bound.png  manifold.png                        of a generative model
prediction.png  bound.png  representation.png                  of a world model from recorded data
goals.json  goal-NAME.png                                      of an agent that acts towards images
"""

import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch

from reverie.agents.agent import Agent, load, needs_goal
from reverie.data.base import Recorded
from reverie.envs import from_python
from reverie.envs.base import EnvConfig
from reverie.errors import UserError
from reverie.evaluation import figures, films, generation, goals, open_loop, prediction, representation
from reverie.evaluation.human_scores import normalized
from reverie.evaluation.imagination import FPS, imagine_episode
from reverie.evaluation.returns import Evaluation, evaluate
from reverie.files import atomic_write
from reverie.models.cvae import CVAE
from reverie.models.generative import GenerativeModel
from reverie.models.world_model import WorldModel
from reverie.runs.config import OfflineConfig, OnlineConfig, read_config
from reverie.runs.logger import read_metrics
from reverie.runs.offline import load_model
from reverie.signals.base import ReconstructionHead


@dataclass(frozen=True)
class Results:
    """Numbers by name, files by what they show, and sentences for people, warnings among them."""

    values: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)
    evaluation: Evaluation | None = None
    """The episodes themselves; None of a model that does not act, and where goals were pursued by name."""

    def __add__(self, other: "Results") -> "Results":
        return Results(self.values | other.values, self.files | other.files, self.sentences + other.sentences)

    @property
    def returns(self) -> list[float]:
        """Undiscounted returns, in the environment's unit."""
        return self.values.get("returns", [])

    @property
    def mean(self) -> float:
        """The mean return; NaN without episodes."""
        return self.values.get("mean", float("nan"))


def summarize(folder: str | Path) -> Results:
    """Measure the agent or model of a finished run, draw it, and write everything into its folder."""
    folder = Path(folder)
    config = read_config(folder)
    from_python.require(config.env)
    results = _of_agent(folder, config) if isinstance(config, OnlineConfig) else _of_model(folder, config)
    alarms = [f"warning: {line['text']} (update {line['updates']})" for line in read_metrics(folder, "alarm")]
    return replace(results, sentences=results.sentences + alarms)


def write_json(path: Path, values: dict[str, Any]) -> Path:
    """Write a JSON file whole; NaN, which JSON lacks, becomes null."""
    atomic_write(path, json.dumps({name: None if x != x else x for name, x in values.items()}, indent=1).encode())
    return path


# Agents that learned in environments


def _of_agent(folder: Path, config: OnlineConfig) -> Results:
    agent = load(folder, config.device)
    played = play(agent, config.env, config.evaluation.final_episodes, config.seed, folder / "evaluation.mp4")
    assert played.evaluation is not None
    files = {
        "evaluation": write_json(folder / "evaluation.json", played.values),
        "curve": draw_curve(folder, config, played.mean),
        **played.files,
    }
    longest = max(played.evaluation.episodes, key=lambda episode: len(episode.steps))
    with suppress(UserError):  # a world model may do without decoded images, and has no imagination to draw then
        files |= open_loop.draw(folder, imagine_episode(agent, longest))
    return replace(played, files=files)


def play(
    agent: Agent, env: EnvConfig, episodes: int, seed: int, video: Path | None = None, moment: int | None = None
) -> Results:
    """Play episodes; `video` is the file for a film of the first one, `moment` as in `evaluation.returns.evaluate`.

    Values: undiscounted returns, lengths in frames, mean, standard deviation, environment and seed.
    """
    evaluation = evaluate(agent, env, episodes, seed, video is not None, moment)
    mean, files = float(np.mean(evaluation.returns)), dict[str, Path]()
    values: dict[str, Any] = {
        "returns": evaluation.returns,
        "lengths_frames": evaluation.lengths_frames,
        "mean": mean,
        "standard_deviation": float(np.std(evaluation.returns)),
        "env": env.id,
        "seed": seed,
    }
    if env.kwargs:
        values["kwargs"] = list(env.kwargs)
    if (human := normalized(env, mean)) is not None:
        values["human_normalized"] = human
    if video is not None and evaluation.frames is not None:
        video.parent.mkdir(parents=True, exist_ok=True)
        files["film"] = films.write_video(video, evaluation.frames, FPS)
    return Results(values, files, [mean_return(evaluation.returns, env)], evaluation)


def mean_return(returns: list[float], env: EnvConfig) -> str:
    """One line; games with a human reference also get 0 % for random play and 100 % for a human's."""
    mean = fmean(returns)
    deviation = f" (standard deviation {stdev(returns):.1f})" if len(returns) > 1 else ""
    human = normalized(env, mean)
    beside = "" if human is None else f", human-normalized {human:.1%}"
    episodes = f"{len(returns)} episode{'s' if len(returns) > 1 else ''}"
    return f"mean return of {episodes}: {mean:.1f}{deviation}{beside}"


def draw_curve(folder: Path, config: OnlineConfig, final: float) -> Path:
    """`curve.png`: returns of training and evaluation episodes against environment frames, `final` the last."""
    points = {
        "training episodes": [(line["frames"], line["return"]) for line in read_metrics(folder, "episode")],
        "evaluation": [(line["frames"], line["return"]) for line in read_metrics(folder, "evaluation")],
    }
    points["evaluation"].append((config.training.frames, final))
    title = f"{config.recipe} on {config.env.id}, seed {config.seed}"
    return figures.plot(folder / "curve.png", points, figures.Style(title, "environment frames", "episode return"))


# Models that were fitted to recorded data


def _of_model(folder: Path, config: OfflineConfig) -> Results:
    model = load_model(folder, config.device)
    recorded = recorded_data(folder, config, next(model.parameters()).device)
    if isinstance(model, GenerativeModel):
        results = _generation(folder, config, model, recorded)
    else:
        decodes = model.has(ReconstructionHead)
        results = _prediction(folder, config, model, recorded) if decodes else Results()
        results += _representation(folder, config, model, recorded)
    numbers = results.values | {"world": config.world, "seed": config.seed}
    results += Results(files={"evaluation": write_json(folder / "evaluation.json", numbers)})
    return results + _acting(folder, config)


def recorded_data(folder: Path, config: OfflineConfig, device: torch.device) -> Recorded:
    """The data that the run of `folder` was fitted to."""
    recorded = config.data.build(folder, config.seed, device, torch.Generator())
    recorded.load(lambda text: None)
    return recorded


def _generation(folder: Path, config: OfflineConfig, model: GenerativeModel, recorded: Recorded) -> Results:
    values, picture = generation.examine(model, recorded, config.training.length)
    training, held_out = read_metrics(folder, "train"), read_metrics(folder, "evaluation")
    name = f"held out, {generation.SAMPLES} samples"
    curves = {
        "training": [(line["updates"], line["bound"]) for line in training],
        "held out": [(line["updates"], line["bound"]) for line in held_out],
        name: [(line["updates"], line["evidence"]) for line in held_out],
    }
    files = {
        "pictures": films.write_image(folder / "generation.png", picture),
        "bound": _draw_bound(folder, config, curves, "bound on the log-likelihood (nats an image)"),
    }
    if model.latent.sample_size == 2 and not isinstance(model, CVAE):
        files["manifold"] = films.write_image(folder / "manifold.png", generation.manifold(model))
    sentences = [generation.sentence(values), *_warning(generation.warning(values))]
    return Results({**values, "samples": generation.SAMPLES}, files, sentences)


def _prediction(folder: Path, config: OfflineConfig, model: WorldModel, recorded: Recorded) -> Results:
    values, picture = prediction.examine(model, recorded, config.training.length)
    lines = [line for line in read_metrics(folder, "evaluation") if "reconstruction" in line]
    names = [name for name in ("bound", "reconstruction") if lines and name in lines[0]]
    curves = {f"{name}, held out": [(line["updates"], line[name]) for line in lines] for name in names}
    files = {
        "pictures": films.write_image(folder / "prediction.png", picture),
        "bound": _draw_bound(folder, config, curves, "nats a step"),
    }
    return Results({**values}, files, [prediction.sentence(values), *_warning(prediction.warning(values))])


def _representation(folder: Path, config: OfflineConfig, model: WorldModel, recorded: Recorded) -> Results:
    truth = representation.judge(config.env, recorded)
    measured = representation.measure(model, recorded, config.training.length, truth)
    evaluations = read_metrics(folder, "evaluation")
    values = measured.values | _relative_scale(measured.values, evaluations)
    lists = {name: getattr(measured, name).tolist() for name in ("std", "spectrum", "probes")}
    details = {"by_dimension": lists, "alarms": [line["text"] for line in read_metrics(folder, "alarm")]}
    sentences = [representation.sentence(values), *_warning(representation.warning(values))]
    picture = representation.draw(folder / "representation.png", measured)
    return Results(values | details, {"features": picture}, sentences)


def _relative_scale(values: dict[str, float], evaluations: list[dict[str, Any]]) -> dict[str, float]:
    """`scale`, where the first evaluation of a run was of its untrained model."""
    if not evaluations or evaluations[0]["updates"] != 0 or not evaluations[0]["std"] > 0:
        return {}
    return {"scale": values["std"] / evaluations[0]["std"]}


def _acting(folder: Path, config: OfflineConfig) -> Results:
    """Episodes towards the goals of the config; where it names none, how to act with the agent."""
    if config.actor is None:
        return Results()
    if not (folder / "agent.json").exists():
        return Results(sentences=["The actions are discrete, for which no agent plans: the run holds a model alone."])
    agent = load(folder, config.device)
    if not needs_goal(agent) or (config.env is not None and not config.goals):
        hint = f" --goal up.png` or `reverie.evaluate('{folder}', goal='up.png')" if needs_goal(agent) else ""
        return Results(sentences=[f"The run holds an agent: `reverie evaluate {folder}{hint}` lets it act."])
    if config.env is None:
        return Results(
            sentences=[
                f"The run holds an agent, and its recordings name no environment: `reverie evaluate {folder} "
                "--env.id ID --goal up.png`, or `reverie.with_goal(reverie.load(folder), observation)`, lets it act."
            ]
        )
    return pursue_goals(folder, agent, config.env, config.goals, config.goal_episodes, config.seed)


def pursue_goals(
    folder: Path, agent: Agent, env: EnvConfig, names: tuple[str, ...], episodes: int, seed: int
) -> Results:
    """Play episodes towards each named goal, with the agent and at random: `goals.json`, `goal-NAME.png`."""
    measures: dict[str, dict[str, float]] = {}
    files = {"goals": folder / "goals.json"}
    for name in names:
        pursuit, measures[name] = goals.pursue_beside_random(agent, env, name, episodes, seed)
        files[f"film of {name}"] = goals.filmstrip(folder / f"goal-{name}.png", pursuit)
    values = {"env": env.id, "episodes": episodes, "seed": seed, "goals": measures}
    write_json(files["goals"], values)
    return Results(values, files, goals.sentences(measures, episodes))


def draw_samples(folder: str | Path, count: int = 64, seed: int = 0, out: str | Path | None = None) -> Path:
    """A PNG of `count` pictures by the generative model of a run; by default `samples.png` in its folder."""
    folder = Path(folder)
    config, model = read_config(folder), load_model(folder)
    if not isinstance(model, GenerativeModel) or not isinstance(config, OfflineConfig):
        raise UserError(f"{folder} holds no generative model: give the folder of a run such as `reverie train vae`.")
    held_out = None
    if isinstance(model, CVAE):
        recorded = recorded_data(folder, config, next(model.parameters()).device)
        held_out = recorded.test.sequential(config.training.length, generation.MOST_IMAGES)
    path = Path(out) if out is not None else folder / "samples.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    return films.write_image(path, generation.samples(model, count, seed, held_out))


def _draw_bound(folder: Path, config: OfflineConfig, curves: dict[str, list[tuple[float, float]]], unit: str) -> Path:
    title = f"{config.recipe} on {config.world}, seed {config.seed}"
    return figures.plot(folder / "bound.png", curves, figures.Style(title, "updates", unit))


def _warning(text: str | None) -> list[str]:
    return [f"warning: {text}"] if text else []
