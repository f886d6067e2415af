"""Measure and draw a finished run, and write the results into its folder.

    evaluation.json                                                every run: the numbers
    evaluation.mp4  curve.png  open_loop*  dream.*                 an agent that learned in environments
    generation.png  bound.png  manifold.png                        a generative model
    prediction.png  bound.png  representation.png                  a world model from recorded data
    goals.json  goal-NAME.png                                      an agent that acts towards images

A run whose model draws no images lacks the pictures of them.
"""

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from types import ModuleType
from typing import Any

import numpy as np
import torch

from reverie.agents.agent import Agent, load, needs_goal
from reverie.data.base import Recorded
from reverie.envs import from_python
from reverie.envs.base import EnvConfig
from reverie.errors import UserError
from reverie.evaluation import dream, figures, films, generation, goals, open_loop, prediction, representation
from reverie.evaluation.human_scores import normalized
from reverie.evaluation.imagination import FPS, imagine_episode, most_eventful
from reverie.evaluation.returns import Evaluation, evaluate
from reverie.files import atomic_write, check_writable
from reverie.models.cvae import CVAE
from reverie.models.generative import GenerativeModel
from reverie.models.world_model import WorldModel
from reverie.runs import checkpoint
from reverie.runs.config import OfflineConfig, OnlineConfig, RunConfig, read_config
from reverie.runs.logger import Axis, Kind, read_metrics
from reverie.runs.offline import load_model
from reverie.runs.time_budget import AFTERWARDS, in_words

Log = list[dict[str, Any]]


@dataclass
class Results:
    """Numbers by name, files by what they show, and sentences for people, warnings among them."""

    values: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)
    evaluation: Evaluation | None = None
    """The episodes; None for a model that does not act, and for episodes towards named goals."""

    @property
    def returns(self) -> list[float]:
        """Undiscounted returns, in the environment's unit."""
        return self.values.get("returns", [])

    @property
    def mean(self) -> float:
        """The mean return; NaN without episodes."""
        return self.values.get("mean", float("nan"))

    def describe(self, module: ModuleType, values: dict[str, float]) -> None:
        """Add what a module of the room `evaluation` says about `values`, with its warning if there is one."""
        self.sentences.append(module.sentence(values))
        if warning := module.warning(values):
            self.sentences.append(f"warning: {warning}")

    @contextmanager
    def extra(self, name: str) -> Iterator[None]:
        """Turn an error of the block into a warning: a picture or film never costs a result."""
        try:
            yield
        except Exception as error:
            self.files.pop(name, None)
            self.sentences.append(f"warning: There is no {name}: {error}")

    def write(self, path: Path, values: dict[str, Any]) -> None:
        """Write `values` as JSON, atomically; NaN, which JSON lacks, becomes null."""
        self.files[path.stem] = path
        atomic_write(path, json.dumps({name: None if x != x else x for name, x in values.items()}, indent=1).encode())


def summarize(folder: str | Path) -> Results:
    """Measure the agent or model of a finished run, draw it, and write everything into its folder.

    `evaluation.json` is the last file to be written: with it, a run is complete.
    """
    folder = Path(folder)
    config = read_config(folder)
    from_python.require(config.env)
    problem = Results()
    log: Log = []
    with problem.extra("curve"):
        log = read_metrics(folder)
    until, said = _time_left(folder, config)
    measure = _measure_agent if isinstance(config, OnlineConfig) else _measure_model
    measured = measure(folder, config, log, until)  # pyrefly: ignore
    measured.sentences += said
    alarms = [f"warning: {line['text']} (update {line['updates']})" for line in log if line["kind"] == "alarm"]
    measured.sentences += problem.sentences + alarms
    return measured


def _time_left(folder: Path, config: RunConfig) -> tuple[float | None, list[str]]:
    """Return until when to evaluate, in `time.monotonic`, and a sentence if the budget of time ended the training."""
    minutes, unit = config.training.minutes, "frames" if isinstance(config, OnlineConfig) else "updates"
    if minutes is None:
        return None, []
    try:
        state = checkpoint.newest(folder / "checkpoints")
    except UserError:  # the agent alone is enough to be evaluated
        return None, []
    done, total = state["clock"][unit], getattr(config.training, unit)
    budget = in_words(minutes)
    said = (
        f"The time budget of {budget} ended the training after {done:,} of {total:,} {unit}: "
        f"`reverie resume {folder} --time-budget {in_words(2 * minutes)}` goes on."
    )
    until = time.monotonic() + max(0.0, 60 * minutes - state["time"]["spent"] - AFTERWARDS)
    return until, [said] if done < total else []


# Agents that learned in environments


def _measure_agent(folder: Path, config: OnlineConfig, log: Log, until: float | None = None) -> Results:
    agent = load(folder, config.device)
    evaluation, film = config.evaluation, folder / "evaluation.mp4"
    count, seed = evaluation.final_episodes, config.seed
    results, played = play(agent, config.env, count, seed, film, sampled=evaluation.sampled, until=until)
    if len(played.episodes) < count:
        results.sentences.append(f"The time budget left no time for {count} episodes.")
    if log:
        curves = {
            "training episodes": _curve(log, "episode", "frames", "return"),
            "evaluation": _curve(log, "evaluation", "frames", "return"),
        }
        curves["evaluation"].append((max(line["frames"] for line in log), results.mean))
        with results.extra("curve"):
            results.files["curve"] = _plot(folder / "curve.png", config, curves, "environment frames", "episode return")
    if agent.model.draws_images:
        episode = most_eventful(played.episodes, agent.model.normalize.images[0])
        with results.extra("picture of the open loop"):
            results.files |= open_loop.draw(folder, imagine_episode(agent, episode))
        if (dreamed := dream.dream(agent, episode)) is not None:
            results.sentences.append(dream.sentence(dreamed))
            with results.extra("picture of the dream"):
                results.files |= dream.draw(folder, dreamed)
    results.write(folder / "evaluation.json", results.values)
    return results


def play(
    agent: Agent,
    env: EnvConfig,
    episodes: int,
    seed: int,
    video: Path | None = None,
    moment: int | None = None,
    sampled: bool = False,
    until: float | None = None,
) -> tuple[Results, Evaluation]:
    """Play episodes; `video` is the file for a film of the first one, the rest as in `evaluation.returns.evaluate`.

    Values: undiscounted returns, lengths in frames, mean, standard deviation, environment and seed.
    """
    with nullcontext() if video is None else closing(films.Film(video, FPS)) as film:
        played = evaluate(agent, env, episodes, seed, film, moment, sampled=sampled, until=until)
        results = _results_of(played, env, seed)
        if film is not None and film.length:
            with results.extra("film"):
                results.files["film"] = film.finish()
    return results, played


def _results_of(played: Evaluation, env: EnvConfig, seed: int) -> Results:
    mean = float(np.mean(played.returns))
    values: dict[str, Any] = {"returns": played.returns, "lengths_frames": played.lengths_frames, "mean": mean}
    values |= {"standard_deviation": float(np.std(played.returns)), "env": env.id, "seed": seed}
    if env.kwargs:
        values["kwargs"] = list(env.kwargs)
    for best in ("human", "record"):
        if (relative := normalized(env, mean, best)) is not None:
            values[f"{best}_normalized"] = relative
    results = Results(values, sentences=[mean_return(played.returns, env)], evaluation=played)
    if played.film_problem is not None:
        results.sentences.append(f"warning: There is no film: {played.film_problem.rstrip('.')}.")
    return results


def mean_return(returns: list[float], env: EnvConfig) -> str:
    """Return one line; games with a human reference also get 0 % for random play and 100 % for a human's."""
    mean = fmean(returns)
    deviation = f" (standard deviation {stdev(returns):.1f})" if len(returns) > 1 else ""
    human = normalized(env, mean)
    beside = "" if human is None else f", human-normalized {human:.1%}"
    episodes = f"{len(returns)} episode{'s' if len(returns) > 1 else ''}"
    return f"mean return of {episodes}: {mean:.1f}{deviation}{beside}"


# Models that were fitted to recorded data


def _measure_model(folder: Path, config: OfflineConfig, log: Log, until: float | None = None) -> Results:
    model, results = load_model(folder, config.device), Results()
    recorded = _load_data(folder, config, model)
    if isinstance(model, GenerativeModel) or model.draws_images:
        _add_images(results, folder, config, model, recorded, log)
    if isinstance(model, WorldModel):
        _add_features(results, folder, config, model, recorded, log)
    results.values |= {"world": config.world, "seed": config.seed}
    of_model = dict(results.values)
    if config.behavior is not None:
        _add_acting(results, folder, config, until)
    results.write(folder / "evaluation.json", of_model)
    return results


def _add_images(
    results: Results,
    folder: Path,
    config: OfflineConfig,
    model: GenerativeModel | WorldModel,
    recorded: Recorded,
    log: Log,
) -> None:
    """Add how well the model generates or predicts held-out images."""
    length = config.training.length
    if isinstance(model, GenerativeModel):
        module, name, unit = generation, "generation", "bound on the log-likelihood (nats an image)"
        values, picture = generation.examine(model, recorded, length)
        results.values["samples"] = generation.SAMPLES
        curves = {
            "training": _curve(log, "train", "updates", "bound"),
            "held out": _curve(log, "evaluation", "updates", "bound"),
            f"held out, {generation.SAMPLES} samples": _curve(log, "evaluation", "updates", "evidence"),
        }
    else:
        module, name, unit = prediction, "prediction", "nats a step"
        values, picture = prediction.examine(model, recorded, length)
        curves = {
            f"{part}, held out": _curve(log, "evaluation", "updates", part) for part in ("bound", "reconstruction")
        }
        curves = {label: points for label, points in curves.items() if points}
    results.values |= values
    results.describe(module, values)
    with results.extra("pictures"):
        results.files["pictures"] = films.write_image(folder / f"{name}.png", picture)
    if log:
        with results.extra("bound"):
            results.files["bound"] = _plot(folder / "bound.png", config, curves, "updates", unit)
    if isinstance(model, GenerativeModel) and model.latent.sample_size == 2 and not isinstance(model, CVAE):
        with results.extra("manifold"):
            results.files["manifold"] = films.write_image(folder / "manifold.png", generation.manifold(model))


def _add_features(
    results: Results, folder: Path, config: OfflineConfig, model: WorldModel, recorded: Recorded, log: Log
) -> None:
    """Add measures of the features on held-out data."""
    truth = representation.judge(config.env, recorded)
    measured = representation.measure(model, recorded, config.training.length, truth)
    values, start = dict(measured.values), next((line for line in log if line["kind"] == "evaluation"), {})
    if start.get("updates") == 0 and start.get("std", 0) > 0:  # the first evaluation was of the untrained model
        values["scale"] = values["std"] / start["std"]
    results.values |= values
    results.values["by_dimension"] = {name: getattr(measured, name).tolist() for name in ("std", "spectrum", "probes")}
    results.values["alarms"] = [line["text"] for line in log if line["kind"] == "alarm"]
    results.describe(representation, values)
    with results.extra("picture of the features"):
        results.files["features"] = representation.draw(folder / "representation.png", measured)


def _add_acting(results: Results, folder: Path, config: OfflineConfig, until: float | None) -> None:
    """Add episodes towards the goals of the config; if it names none, a sentence on how to act with the agent."""
    agent = load(folder, config.device)
    if needs_goal(agent) and config.env is not None and config.goals:
        count = config.goal_episodes
        if until is not None:
            began = time.monotonic()
            goals.pursue_beside_random(agent, config.env, config.goals[0], 1, config.seed)
            affordable = (until - time.monotonic()) / len(config.goals) / (time.monotonic() - began)
            count = max(1, min(count, int(affordable)))
        pursued = pursue_goals(folder, agent, config.env, config.goals, count, config.seed)
        results.values |= pursued.values
        results.files |= pursued.files
        results.sentences += pursued.sentences
    elif needs_goal(agent) and config.env is None:
        results.sentences.append(
            f"The run holds an agent, and its recordings name no environment: `reverie evaluate {folder} "
            "--env.id ID --goal up.png`, or `reverie.with_goal(reverie.load(folder), observation)`, lets it act."
        )
    else:
        hint = f" --goal up.png` or `reverie.evaluate('{folder}', goal='up.png')" if needs_goal(agent) else ""
        hint = hint if config.env is not None else " --env.id ID"
        results.sentences.append(f"The run holds an agent: `reverie evaluate {folder}{hint}` lets it act.")


def pursue_goals(
    folder: Path, agent: Agent, env: EnvConfig, names: tuple[str, ...], episodes: int, seed: int
) -> Results:
    """Play episodes towards each named goal, with the agent and at random: `goals.json`, `goal-NAME.png`."""
    measures: dict[str, dict[str, float]] = {}
    results = Results({"env": env.id, "episodes": episodes, "seed": seed, "goals": measures})
    for name in names:
        pursuit, measures[name] = goals.pursue_beside_random(agent, env, name, episodes, seed)
        with results.extra(f"film of {name}"):
            results.files[f"film of {name}"] = goals.filmstrip(folder / f"goal-{name}.png", pursuit)
    results.write(folder / "goals.json", results.values)
    results.sentences += goals.sentences(measures, episodes)
    return results


def draw_samples(folder: str | Path, count: int = 64, seed: int = 0, out: str | Path | None = None) -> Path:
    """Draw `count` pictures by the generative model of a run; the default PNG is `samples.png` in its folder."""
    folder = Path(folder)
    path = Path(out) if out is not None else folder / "samples.png"
    check_writable(path)
    config, model = read_config(folder), load_model(folder)
    if not isinstance(model, GenerativeModel) or not isinstance(config, OfflineConfig):
        raise UserError(f"{folder} holds no generative model: give the folder of a run such as `reverie train vae`.")
    held_out = None
    if isinstance(model, CVAE):
        recorded = _load_data(folder, config, model)
        held_out = recorded.test.sequential(config.training.length, generation.MOST_IMAGES)
    return films.write_image(path, generation.samples(model, count, seed, held_out))


def _load_data(folder: Path, config: OfflineConfig, model: GenerativeModel | WorldModel) -> Recorded:
    """Load the data that the model of `folder` was fitted to."""
    recorded = config.data.build(folder, config.seed, next(model.parameters()).device, torch.Generator())
    recorded.load(lambda text: None)
    return recorded


def _curve(log: Log, kind: Kind, axis: Axis, value: str) -> list[tuple[float, float]]:
    return [(line[axis], line[value]) for line in log if line["kind"] == kind and value in line]


def _plot(path: Path, config: RunConfig, curves: dict[str, list[tuple[float, float]]], axis: str, unit: str) -> Path:
    title = f"{config.recipe} on {config.world}, seed {config.seed}"
    return figures.plot(path, curves, figures.Style(title, axis, unit))
