"""Which learner improves a policy best in imagination: gradients through the model, REINFORCE, or evolution strategies?

One world model, trained once and then frozen; the same beliefs from its replay; the same policy network with the same
initial weights; the same budget of imagined steps. Compared are the real return by imagined steps and by seconds, and
the noise of each learner's gradient at the same policies.

Reading path: this file, `learners/actor_critic.py`, `learners/evolution.py`, `studies/policies/report.py`.
"""

import time
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from reverie import tree
from reverie.agents.agent import Agent, AgentConfig, load
from reverie.agents.policies import PolicyActor
from reverie.data.agent_replay import AgentReplayConfig
from reverie.envs import make_many
from reverie.evaluation.returns import evaluate
from reverie.learners import LearnerConfig
from reverie.learners.actor_critic import ActorCriticConfig
from reverie.learners.evolution import EvolutionConfig
from reverie.learners.evolution_in_env import update_from_episodes
from reverie.models.world_model import WorldModel
from reverie.nn.optimizer import AdamConfig
from reverie.runs.config import OnlineConfig
from reverie.types import Metrics
from studies.kit import Numbers, OnProgress, cached, ensure_trained, load_data, online_recipe, report_progress


@dataclass(frozen=True)
class Protocol:
    """`steps` imagined in all; `points`: evaluations, each of `episodes`; `repeats`: gradients for the variance.

    `played`: updates of evolution strategies by real episodes, of one seed; each takes 64 episodes.
    `turns`: updates of each learner that are timed.
    """

    steps: int
    points: int
    episodes: int
    seeds: int
    repeats: int
    played: int
    turns: int


PROTOCOL = {"tiny": Protocol(2_000, 2, 1, 1, 3, 1, 2), "laptop": Protocol(6_000_000, 10, 10, 3, 32, 10, 9)}
METHODS = ("backpropagation", "reinforce", "evolution")
PARTS = (*METHODS, "played")
PLAYED = "evolution_played"
"""Evolution strategies scored by real episodes instead of imagined ones."""
BATCH, LENGTH = 16, 24


def study(out: Path, size: str, on_progress: OnProgress, parts: tuple[str, ...] = ()) -> Numbers:
    """Train the world model, then every learner in it; with `parts`, only those and what is in `out` already."""
    protocol, config = PROTOCOL[size], world(size)
    folder = ensure_trained(config, out / "world", on_progress)
    practice = Practice(folder, config, size, on_progress)
    methods: dict[str, Any] = {}
    for method in METHODS:
        for seed in range(protocol.seeds):
            path = out / f"{method}-{seed}.json"
            if not parts or method in parts or path.exists():
                result = cached(path, partial(practice.learn, method, seed, path.with_suffix(".pt")))
                methods.setdefault(method, {})[str(seed)] = result
    seconds_a_step = cached(out / "pace.json", practice.seconds_a_step)
    for method, runs in methods.items():
        for point in (point for run in runs.values() for point in run["points"]):
            point["seconds"] = seconds_a_step[method] * point["steps"]
    played, path = {}, out / f"{PLAYED}-0.json"
    if not parts or "played" in parts or path.exists():
        played["0"] = cached(path, partial(practice.play, 0))
    policies = [path for seed in range(protocol.seeds) if (path := out / f"{METHODS[0]}-{seed}.pt").exists()]
    return {
        "size": size,
        "world": config.world,
        "frames": config.training.frames,
        "steps": protocol.steps,
        "episodes": protocol.episodes,
        "methods": methods,
        "played": played,
        "variance": {
            method: [
                cached(out / f"variance-{method}-at-{path.stem}.json", partial(practice.variance, method, path))
                for path in policies
            ]
            for method in methods
        },
    }


def world(size: str) -> OnlineConfig:
    """The run that trains the world model: Dreamer V1 on Pendulum, as in the demo."""
    config = online_recipe("dreamer_v1", size)
    if size == "tiny":
        config = replace(config, env=replace(config.env, time_limit=40))
    return replace(config, evaluation=replace(config.evaluation, every=0))


def learners(config: OnlineConfig, size: str) -> dict[str, LearnerConfig]:
    """The three with the same settings, but evolution has its own learning rate; REINFORCE was not tuned."""
    own = cast(ActorCriticConfig, config.behavior)
    actor_critic = replace(
        own,
        actor_optimizer=replace(cast(AdamConfig, own.actor_optimizer), decay=0),
        value_optimizer=replace(cast(AdamConfig, own.value_optimizer), decay=0),
    )
    small = size == "tiny"
    return {
        "backpropagation": actor_critic,
        "reinforce": replace(actor_critic, reinforce=1.0),
        "evolution": EvolutionConfig(
            policy=own.policy,
            population=4 if small else 64,
            sigma=0.05,
            starts=4 if small else 32,
            horizon=own.horizon,
            gamma=own.gamma,
            optimizer=AdamConfig(lr=1e-2),
        ),
    }


def imagined_steps(learner: LearnerConfig, length: int = LENGTH) -> int:
    """Imagined steps of one update, from `BATCH` sequences of `length` beliefs."""
    if isinstance(learner, EvolutionConfig):
        return learner.population * learner.starts * learner.horizon
    return BATCH * length * cast(ActorCriticConfig, learner).horizon


class Practice:
    """Learners in a frozen world model, from beliefs of its replay."""

    def __init__(self, folder: Path, config: OnlineConfig, size: str, on_progress: OnProgress) -> None:
        self.config, self.size, self.protocol, self.on_progress = config, size, PROTOCOL[size], on_progress
        self.length = min(LENGTH, config.training.length)
        self.agent = load(folder, "cpu")
        self.model: WorldModel = self.agent.model
        self.model.requires_grad_(False)
        self.replay = load_data(AgentReplayConfig(str(folder)), folder).train

    def build(self, method: str, seed: int) -> tuple[Any, LearnerConfig]:
        """A learner; all of one seed begin with the same policy."""
        config = learners(self.config, self.size)[method]
        torch.manual_seed(seed)
        return config.build(self.agent.config.spec, self.model.dynamics.feature_size), config

    def beliefs(self, generator: torch.Generator) -> Any:
        """Detached beliefs of `BATCH * length` recorded moments."""
        self.replay.generator = generator
        batch = self.replay.sample(BATCH, self.length)
        with torch.no_grad():
            trace = self.model.trace(batch, self.model.noise(BATCH, self.length, generator))
        return tree.flatten_batch(trace.posterior)

    def learn(self, method: str, seed: int, weights: Path) -> dict[str, Any]:
        """Returns by imagined steps. The learner after a tenth of the updates is written to `weights`."""
        learner, config = self.build(method, seed)
        optimizers = learner.optimizers()
        generator = torch.Generator().manual_seed(seed)
        each = imagined_steps(config, self.length)
        updates = max(self.protocol.points, self.protocol.steps // each)
        marks = self.marks(updates)
        points, start, imagined = [self.evaluated(learner, 0)], time.monotonic(), torch.zeros(())
        for update in range(1, updates + 1):
            imagined = self.update(learner, generator, optimizers)["imagined/return"]
            if update in marks:
                points.append(self.evaluated(learner, update * each))
                if update == min(marks):
                    torch.save(learner.state_dict(), weights)
            if update % 10 == 0 or update == updates:
                seconds = time.monotonic() - start
                report_progress(self.on_progress, f"{method}, seed {seed}", update, updates, "updates", seconds)
        return {"points": points, "imagined_return": float(imagined), "updates": updates}

    def marks(self, updates: int) -> set[int]:
        """The updates after which the policy is evaluated, evenly spaced."""
        return {round(updates * i / self.protocol.points) for i in range(1, self.protocol.points + 1)}

    def update(self, learner: Any, generator: torch.Generator, optimizers: dict[str, Any]) -> Metrics:
        """One update from fresh beliefs and noise."""
        belief = self.beliefs(generator)
        noise = learner.noise(self.model, len(tree.leaves(belief)[0]), generator)
        return learner.update(self.model, belief, noise, optimizers)

    def seconds_a_step(self) -> dict[str, float]:
        """Core seconds of an imagined step of each learner: the median of updates, in turns on a shared machine."""
        each = {method: self.build(method, 0) for method in METHODS}
        optimizers = {method: learner.optimizers() for method, (learner, _) in each.items()}
        spent: dict[str, list[float]] = {method: [] for method in METHODS}
        for turn in range(1 + self.protocol.turns):
            for method, (learner, config) in each.items():
                start = time.process_time()
                self.update(learner, torch.Generator().manual_seed(turn), optimizers[method])
                spent[method].append((time.process_time() - start) / imagined_steps(config, self.length))
        return {method: float(np.median(times[1:])) for method, times in spent.items()}

    def play(self, seed: int) -> dict[str, Any]:
        """Returns by real frames of evolution strategies scored by real episodes; no reward is imagined."""
        learner, config = self.build("evolution", seed)
        optimizer, generator = learner.optimizers()["actor"], torch.Generator().manual_seed(seed)
        points, frames, spent, began = [self.evaluated(learner, 0) | {"seconds": 0.0}], 0, 0.0, time.monotonic()
        marks = self.marks(self.protocol.played)
        with closing(make_many(replace(self.config.env, count=cast(EvolutionConfig, config).population))) as population:
            for update in range(1, self.protocol.played + 1):
                start = time.process_time()
                frames += update_from_episodes(
                    learner, self.agent, population, 1_000 * seed + update, generator, optimizer
                )[1]
                spent += time.process_time() - start
                if update in marks:
                    points.append(self.evaluated(learner, frames) | {"seconds": spent})
                seconds = time.monotonic() - began
                report_progress(self.on_progress, PLAYED, update, self.protocol.played, "updates", seconds)
        return {"points": points, "updates": self.protocol.played}

    def evaluated(self, learner: Any, steps: int) -> dict[str, Any]:
        """Return of the policy's mode in real episodes, the same for all. `steps`: imagined, or real frames."""
        config = AgentConfig(self.agent.config.spec, self.agent.config.model, learner.config.policy, self.config.env)
        agent = Agent(config, self.model, PolicyActor(learner.policy, self.model.dynamics.features))
        returns = evaluate(agent, self.config.env, self.protocol.episodes, 0).returns
        return {"steps": steps, "return": float(np.mean(returns)), "std": float(np.std(returns))}

    def variance(self, method: str, at: Path) -> dict[str, float | None]:
        """Noise of a learner's policy gradient at the policy and the value in `at`, over beliefs and noise.

        `of_one_update`: trace of the covariance over the squared norm of the mean, both estimated from `repeats`
        gradients of the return, without the entropy bonus. None if the estimated squared norm is not above 0.
        `noise_to_signal`: the same for a gradient of 1,000 imagined steps.
        """
        learner, config = self.build(method, 0)
        if isinstance(config, ActorCriticConfig):
            learner.config = replace(config, entropy=0.0)
        learner.load_state_dict(torch.load(at, weights_only=True), strict=False)
        optimizers = {
            name: type(one)(AdamConfig(lr=0.0, clip=float("inf")), one.parameters)
            for name, one in learner.optimizers().items()
        }
        gradients = []
        for repeat in range(self.protocol.repeats):
            generator = torch.Generator().manual_seed(1_000 + repeat)
            self.update(learner, generator, optimizers)
            gradients.append(torch.cat([parameter.grad.flatten() for parameter in learner.policy.parameters()]))
        stacked = torch.stack(gradients)
        spread = float(stacked.var(0).sum())
        signal = float(stacked.mean(0).square().sum()) - spread / len(stacked)
        of_one = spread / signal if signal > 0 else None
        return {
            "noise_to_signal": of_one and of_one * imagined_steps(config, self.length) / 1_000,
            "of_one_update": of_one,
            "steps": imagined_steps(config, self.length),
        }
