"""Who improves a policy best in imagination: gradients through the model, REINFORCE, or evolution strategies?

One world model, trained once and then frozen; the same beliefs from its replay; the same policy network from the same
first weights; the same budget of imagined steps. What is compared is who turns them into a better policy: the real
return against imagined steps and against seconds, and how noisy each one's gradient is at one and the same policy, for
a few policies on their way.

Reading path: this file, `learners/actor_critic.py`, `learners/evolution.py`, `studies/policies/report.py`.
"""

import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from reverie import recipes, tree
from reverie.agents.actors import PolicyActor
from reverie.agents.agent import Agent, AgentConfig, load
from reverie.data.agent_replay import AgentReplayConfig
from reverie.data.replay import Replay
from reverie.envs import make_many
from reverie.evaluate.returns import evaluate
from reverie.files import atomic_write
from reverie.learners import LearnerConfig
from reverie.learners.actor_critic import ActorCriticConfig
from reverie.learners.evolution import EvolutionConfig
from reverie.learners.evolution_in_env import update_from_episodes
from reverie.models.world_model import WorldModel
from reverie.nn.optimizer import AdamConfig
from reverie.progress import Progress
from reverie.runs.config import OnlineConfig
from reverie.types import Metrics
from studies import Findings, OnProgress
from studies.kit import trained
from studies.policies.report import draw, text


@dataclass(frozen=True)
class Rules:
    """`steps` imagined in all, judged `points` times by `episodes` real ones; `repeats` gradients for the variance.

    `played`: updates of evolution strategies by real episodes, of one seed: each costs as many frames as 64 episodes.
    `turns`: updates of each learner whose core time is taken.
    """

    steps: int
    points: int
    episodes: int
    seeds: int
    repeats: int
    played: int
    turns: int


RULES = {"tiny": Rules(4_000, 2, 1, 1, 3, 1, 2), "laptop": Rules(6_000_000, 10, 10, 3, 32, 10, 9)}
METHODS = ("backpropagation", "reinforce", "evolution")
PARTS = (*METHODS, "played")
PLAYED = "evolution_played"
"""Evolution strategies scored by real episodes instead of imagined ones."""
BATCH, LENGTH = 16, 24


def study(out: Path, size: str, on_progress: OnProgress, parts: tuple[str, ...] = ()) -> Findings:
    """Train the world model, then every learner in it, or those of `parts` and what is in `out` already.

    What is in `out` is not trained or judged again.
    """
    rules = RULES[size]
    config = world(size)
    folder = trained(config, out / "world", on_progress)
    numbers: dict[str, Any] = {
        "size": size,
        "world": config.world,
        "frames": config.training.frames,
        "steps": rules.steps,
        "episodes": rules.episodes,
        "methods": {},
        "played": {},
        "variance": {},
    }
    practice = Practice(folder, config, size)
    for method in METHODS:
        for seed in range(rules.seeds):
            path = out / f"{method}-{seed}.json"
            if parts and method not in parts and not path.exists():
                continue
            found = kept(path, lambda m=method, s=seed, p=path: practice.learn(m, s, p.with_suffix(".pt"), on_progress))
            numbers["methods"].setdefault(method, {})[str(seed)] = found
    pace = kept(out / "pace.json", practice.pace)
    for method, runs in numbers["methods"].items():
        for point in (point for run in runs.values() for point in run["points"]):
            point["seconds"] = pace[method] * point["steps"]
    played = out / f"{PLAYED}-0.json"
    if not parts or "played" in parts or played.exists():
        numbers["played"]["0"] = kept(played, lambda: practice.play(0, on_progress))
    for method in numbers["methods"]:
        for at in (at for seed in range(rules.seeds) if (at := out / f"{METHODS[0]}-{seed}.pt").exists()):
            found = kept(out / f"variance-{method}-at-{at.stem}.json", lambda m=method, a=at: practice.variance(m, a))
            numbers["variance"].setdefault(method, []).append(found)
    draw(out, numbers)
    return Findings(numbers, text(numbers))


def world(size: str) -> OnlineConfig:
    """Where the model comes from: Dreamer V1's run on Pendulum, as the demo trains it."""
    config = cast(OnlineConfig, recipes.build("dreamer_v1", size))
    return replace(config, evaluation=replace(config.evaluation, every=0))


def learners(config: OnlineConfig, size: str) -> dict[str, LearnerConfig]:
    """The three, alike in all that they share; evolution has a learning rate of its own, REINFORCE was not tuned."""
    own = cast(ActorCriticConfig, config.behavior)
    actor_critic = replace(
        own,
        actor_optimizer=replace(own.actor_optimizer, decay=0),
        value_optimizer=replace(own.value_optimizer, decay=0),
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
    """Steps that one update of a learner imagines, from `BATCH` sequences of `length` beliefs."""
    if isinstance(learner, EvolutionConfig):
        return learner.population * learner.starts * learner.horizon
    return BATCH * length * cast(ActorCriticConfig, learner).horizon


def kept(path: Path, measure: Callable[[], Any]) -> Any:
    """What is in `path`, or else what `measure` finds, kept there."""
    if not path.exists():
        atomic_write(path, json.dumps(measure(), indent=1).encode())
    return json.loads(path.read_text())


def tell(on_progress: OnProgress, message: str, done: int, total: int, began: float) -> None:
    """How far one learner is, in updates."""
    on_progress(message, Progress("updates", done, total, 0, done, time.monotonic() - began, 0, message=message))


class Practice:
    """A frozen world model, its replay, and learners that practice in it."""

    def __init__(self, folder: Path, config: OnlineConfig, size: str) -> None:
        self.folder, self.config, self.size, self.rules = folder, config, size, RULES[size]
        self.length = min(LENGTH, config.training.length)
        self.agent = load(folder, "cpu")
        self.model: WorldModel = self.agent.model
        self.model.requires_grad_(False)
        recorded = AgentReplayConfig(str(folder)).build(folder, 0, torch.device("cpu"), torch.Generator())
        recorded.load(lambda _: None)
        self.replay: Replay = recorded.train

    def build(self, method: str, seed: int) -> tuple[Any, LearnerConfig]:
        """A learner, the same first policy for all of one seed."""
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

    def learn(self, method: str, seed: int, weights: Path, on_progress: OnProgress) -> dict[str, Any]:
        """Returns by imagined steps. The learner at a tenth of the way is left in `weights`."""
        learner, config = self.build(method, seed)
        optimizers = learner.optimizers()
        generator = torch.Generator().manual_seed(seed)
        each = imagined_steps(config, self.length)
        updates = max(self.rules.points, self.rules.steps // each)
        marks = {round(updates * i / self.rules.points) for i in range(1, self.rules.points + 1)}
        points, began, imagined = [self.judged(learner, 0)], time.monotonic(), torch.zeros(())
        for update in range(1, updates + 1):
            imagined = self.update(learner, generator, optimizers)["imagined/return"]
            if update in marks:
                points.append(self.judged(learner, update * each))
                if update == min(marks):
                    torch.save(learner.state_dict(), weights)
            if update % 10 == 0 or update == updates:
                tell(on_progress, f"{method}, seed {seed}", update, updates, began)
        return {"points": points, "imagined_return": float(imagined), "updates": updates}

    def update(self, learner: Any, generator: torch.Generator, optimizers: dict[str, Any]) -> Metrics:
        """One update from fresh beliefs and noise."""
        belief = self.beliefs(generator)
        noise = learner.noise(self.model, len(tree.leaves(belief)[0]), generator)
        return learner.update(self.model, belief, noise, optimizers)

    def pace(self) -> dict[str, float]:
        """Core seconds an imagined step of each learner: the median of updates made in turns, on a shared machine."""
        field = {method: self.build(method, 0) for method in METHODS}
        optimizers = {method: learner.optimizers() for method, (learner, _) in field.items()}
        spent: dict[str, list[float]] = {method: [] for method in METHODS}
        for turn in range(1 + self.rules.turns):
            for method, (learner, config) in field.items():
                start = time.process_time()
                self.update(learner, torch.Generator().manual_seed(turn), optimizers[method])
                spent[method].append((time.process_time() - start) / imagined_steps(config, self.length))
        return {method: float(np.median(times[1:])) for method, times in spent.items()}

    def play(self, seed: int, on_progress: OnProgress) -> dict[str, Any]:
        """Returns by real frames of the learner that is scored by real episodes; no reward is imagined."""
        learner, config = self.build("evolution", seed)
        optimizer, generator = learner.optimizers()["actor"], torch.Generator().manual_seed(seed)
        points, frames, spent, began = [self.judged(learner, 0) | {"seconds": 0.0}], 0, 0.0, time.monotonic()
        marks = {round(self.rules.played * i / self.rules.points) for i in range(1, self.rules.points + 1)}
        with closing(make_many(replace(self.config.env, count=cast(EvolutionConfig, config).population))) as population:
            for update in range(1, self.rules.played + 1):
                start = time.process_time()
                frames += update_from_episodes(
                    learner, self.agent, population, 1_000 * seed + update, generator, optimizer
                )[1]
                spent += time.process_time() - start
                if update in marks:
                    points.append(self.judged(learner, frames) | {"seconds": spent})
                tell(on_progress, f"{PLAYED}, seed {seed}", update, self.rules.played, began)
        return {"points": points, "updates": self.rules.played}

    def judged(self, learner: Any, steps: int) -> dict[str, Any]:
        """The policy's mode in the real world, the same episodes for all. `steps`: imagined, or real frames."""
        config = AgentConfig(self.agent.config.spec, self.agent.config.model, learner.config.policy, self.config.env)
        agent = Agent(config, self.model, PolicyActor(learner.policy, self.model.dynamics.features))
        returns = evaluate(agent, self.config.env, self.rules.episodes, 0).returns
        return {"steps": steps, "return": float(np.mean(returns)), "std": float(np.std(returns))}

    def variance(self, method: str, at: Path) -> dict[str, float | None]:
        """Of the policy's gradient by one learner, at the policy and the value in `at`, over beliefs and noise.

        `noise_to_signal`: trace of its covariance over the squared norm of its mean, which is itself an estimate
        from `repeats` gradients: what one gradient of a thousand imagined steps would have. None where that mean is
        not told from 0. Of the return alone: without the policy's entropy.
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
        for repeat in range(self.rules.repeats):
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
