"""The run of an agent: play environments and learn from the replay in turns."""

import shutil
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reverie import envs, tree
from reverie.agents import agent as agents
from reverie.agents.agent import Agent, AgentConfig, Carry
from reverie.data import chunks
from reverie.data.collector import Collector, random_actions
from reverie.data.latent_replay import LatentReplay
from reverie.data.replay import Columns, Replay
from reverie.envs.base import Environments
from reverie.errors import UserError
from reverie.evaluation.imagination import FPS, films
from reverie.evaluation.returns import evaluate
from reverie.nn.precision import set_precision
from reverie.runs import checkpoint
from reverie.runs.base import Reporter, Run
from reverie.runs.config import OnlineConfig, TrainingConfig, read_config
from reverie.runs.execution import executed
from reverie.runs.structure import COUNT, COUNT_OR_NONE_YET, Each, Must
from reverie.runs.update import UpdateNoise, draw_noise, make_optimizers, make_update, own_part
from reverie.types import Batch


def updates_after(config: TrainingConfig, decisions: int) -> int:
    """Return the updates in all, so many decisions after the prefill."""
    if config.ratio is not None:
        return config.pretrain + int(decisions * config.ratio / (config.batch * config.length))
    return config.pretrain + decisions // config.round * config.updates


@dataclass(frozen=True)
class Decision:
    """Actions that were chosen and whose outcome is not known yet, whether they begin episodes, and the next carry."""

    action: np.ndarray
    is_first: np.ndarray
    carry: Carry


class OnlineRun(Run[OnlineConfig]):
    """The state of an agent that trains. `close` it."""

    unit, interval_unit = "frames", "decisions"
    nothing_learned = (
        "The agent is untrained: no episode ended early enough, and only whole episodes are learned from. Take more "
        "--training.frames, a shorter --env.time_limit or a smaller --training.round."
    )

    def __init__(self, config: OnlineConfig, folder: Path, environments: Environments | None = None) -> None:
        super().__init__(config, folder)
        self.environments = environments or envs.make_many(config.env)
        self.resources.callback(self.environments.close)
        with ExitStack() as failed, torch.random.fork_rng():
            failed.callback(self.close)
            self.spec = self.environments.spec
            torch.manual_seed(config.seed)
            self.agent = agents.build(AgentConfig(self.spec, config.model, config.behavior.actor, config.env))
            self.learner = config.behavior.build(self.spec, self.agent.model.dynamics.feature_size)
            self.replay = self._new_replay()
            self._check_room()
            failed.pop_all()
        self.modules = {"agent": self.agent}
        if self.learner is not None:
            self.agent.follow(self.learner.policy)
            self.modules["learner"] = self.learner = self.learner.to(self.device)
        self.agent = self.agent.to(self.device)
        for module in self.modules.values():
            set_precision(module, config.training.precision)
        model = self.agent.model
        self.optimizers = make_optimizers(config.model.optimizer, model, self.learner)
        self.latents = self.replay if isinstance(self.replay, LatentReplay) else None
        self.update = make_update(model, self.learner, self.optimizers, config.training.execution, self.latents)
        if config.training.execution == "graph":
            self.agent.decide = executed(self.agent.decide, "graph")
        self.evaluation_interval = -(-config.evaluation.every // self.spec.repeat)
        self.collector = Collector(self.environments, config.seed)
        self.carry: Carry = self.agent.initial(self.environments.count)
        self.decision: Decision | None = None
        self.sent = False
        """Whether the environments play the present decision."""
        self.written = 0
        """Replay columns that have been written to the disk."""
        self.saved_at, self.stored, self.stored_before = -1, 0, 0
        """The number of the newest checkpoint, its replay columns, and a bound of those of the one before it."""
        self.learning_since = -1
        """Decisions at the end of the prefill; -1 during it."""

    def _new_replay(self) -> Replay:
        settings = self.config.replay, self.spec, self.device, self.generators["host"]
        if not self.config.replay.latents:
            return Replay(*settings)
        return LatentReplay(*settings, self.agent.model.dynamics.initial(1), self.environments.count)

    def _check_room(self) -> None:
        """Warn if the disk is too small for the columns that the replay will keep."""
        config, folder = self.config, self.folder / "replay"
        decisions = min(config.replay.capacity, config.training.frames // self.spec.repeat)
        held = sum(path.stat().st_size for _, _, path in chunks.chunks(folder))
        grows = decisions * chunks.bytes_per_decision(self.spec) - held
        free = shutil.disk_usage(next(parent for parent in folder.absolute().parents if parent.exists())).free
        if grows > free:
            warnings.warn(
                f"The replay in {folder} grows by {grows / 2**30:.2f} GiB and {free / 2**30:.2f} GiB are free: free "
                "some, or take a smaller --replay.capacity. A run that stops at a full disk can be resumed.",
                stacklevel=2,
            )

    @property
    def remaining(self) -> tuple[int, int]:
        config, frames_per_step = self.config.training, self.environments.count * self.spec.repeat
        steps = max(0, -(-(config.frames - self.clock.frames) // frames_per_step))
        since = self.learning_since if self.learning_since >= 0 else config.prefill // self.spec.repeat
        decisions = self.clock.decisions + steps * self.environments.count
        return steps, max(0, updates_after(config, max(0, decisions - since)) - self.clock.updates)

    def updates_due(self) -> int:
        if self.learning_since < 0:
            return 0
        return updates_after(self.config.training, self.clock.decisions - self.learning_since) - self.clock.updates

    def next_batch(self) -> tuple[Batch, UpdateNoise]:
        config = self.config.training
        self.tell("follow_update", {name: generator.get_state() for name, generator in self.generators.items()})
        noise = draw_noise(self.agent.model, self.learner, config.batch, config.length, self.generators["device"])
        return own_part(self.learner, self.replay.sample(config.batch, config.length, self.config.replay.online), noise)

    def follow_update(self, generators: dict[str, Tensor]) -> None:
        """Make the update that the leading rank makes, of this rank's part of the batch."""
        for name, state in generators.items():
            self.generators[name].set_state(state)
        self.update(*self.next_batch())

    @property
    def overlaps(self) -> bool:
        return self.config.training.overlap

    def begin_step(self) -> None:
        """Choose an action in every environment, and begin to play. A resumed run plays what was chosen before."""
        self.decision = self.decision or self._choose()
        if not self.sent and not self.finished:  # a finished run may get a larger budget
            self.collector.send(self.decision.action)
            self.sent = True

    def _choose(self) -> Decision:
        """Choose actions: random during the prefill, then by the exploring policy."""
        self.collector.begin()
        obs, is_first = self.collector.observations()
        if self.clock.frames < self.config.training.prefill:
            return Decision(random_actions(self.environments, self.generators["host"]), is_first, self.carry)
        noise = self.agent.noise(is_first.shape[0], self.generators["device"])
        carry, action = self.agent.act(self.carry, obs, is_first, noise)
        return Decision(action, is_first, carry)

    def step(self, report: Reporter) -> None:
        """Make one decision in every environment, or end the one that has begun."""
        config = self.config.training
        self.begin_step()
        decision = self.decision
        assert decision is not None
        if not self.sent:  # the budget of time has ended since this step was due
            self.collector.send(decision.action)
        self.decision, self.sent = None, False
        self.carry = decision.carry
        if self.latents is not None:
            self.latents.record(self.carry.belief, decision.is_first)
        self.collector.receive(decision.action)
        for i, episode in enumerate(self.collector.episodes):
            if episode.finished:
                beliefs = None if self.latents is None else self.latents.playing[i]
                self.tell("follow_episode", columns := episode.columns(), i, beliefs)
                self.replay.add_episode(columns, i)
                report.episode(episode.undiscounted_return, len(episode.actions))
        if self.replay.storage.is_full:  # what no checkpoint counts is dropped on resuming
            self._write_replay()
        self.clock.decisions += self.environments.count
        self.clock.frames += sum(self.collector.frames)
        enough = config.length + config.starts if config.starts else 1
        if self.learning_since < 0 and self.clock.frames >= config.prefill and len(self.replay) >= enough:
            self.learning_since = self.clock.decisions
            self.agent.model.calibrate(self.replay.sample(max(1, 1024 // config.length), config.length))
            self.tell("follow_calibration", self.agent.model.normalize.state_dict())

    def follow_episode(self, columns: Columns, environment: int, beliefs: list[Tensor] | None) -> None:
        """Add an episode that the leading rank has played."""
        if self.latents is not None and beliefs is not None:
            self.latents.playing[environment] = tree.to(beliefs, self.device)
        self.replay.add_episode(columns, environment)

    def follow_calibration(self, statistics: dict[str, Tensor]) -> None:
        """Normalize images as the leading rank does."""
        self.agent.model.normalize.load_state_dict(statistics)

    def evaluate(self, report: Reporter) -> None:
        config = self.config.evaluation
        count = config.episodes

        def show(ended: int) -> None:
            report.working(f"evaluating, episode {ended + 1} of {count}")

        seed = (self.config.seed << 40) + self.clock.frames  # others for each run and each time
        try:
            result = evaluate(self.agent, self.config.env, count, seed, on_decision=show, sampled=config.sampled)
        except UserError as error:  # such as an environment that allows one instance at a time
            self.logger.alarm(self.clock.moment, "evaluation", f"An evaluation was left out: {error}")
            return
        report.evaluation({"return": float(np.mean(result.returns)), "episodes": len(result.returns)})
        for name, film in films(self.agent, result.episodes[0]).items():
            self.logger.video(name, film, self.clock.frames, FPS)

    def seconds_to_evaluate(self, report: Reporter) -> float | None:
        if not report.pace.times["step"]:
            return None
        in_turns = 1 if self.config.env.workers else self.environments.count
        longest = max(report.longest, *(len(episode.actions) for episode in self.collector.episodes))
        episodes = self.config.evaluation.final_episodes + 2  # the first is filmed, and one is imagined
        return episodes * longest * report.pace.mean("step") / in_turns

    def message(self) -> str | None:
        random = self.clock.frames < self.config.training.prefill
        return f"collecting {'random' if random else 'the first'} episodes" if self.learning_since < 0 else None

    def save_result(self) -> None:
        self.agent.save(self.folder)

    def clear(self) -> None:
        shutil.rmtree(self.folder / "replay", ignore_errors=True)

    def save(self) -> Path:
        """Write the new columns of the replay, then the checkpoint that refers to them; delete columns without one."""
        self._write_replay()
        if self.progress_count != self.saved_at:  # otherwise the newest checkpoint is replaced
            self.stored_before, self.saved_at = self.stored, self.progress_count
        self.stored = self.replay.total
        path = super().save()
        # The older of the two checkpoints needs the ring as it was then.
        chunks.prune(self.folder / "replay", self.stored_before - self.replay.capacity)
        return path

    def _write_replay(self) -> None:
        self.replay.write(self.folder / "replay", since=self.written)
        self.written = self.replay.total

    def state(self) -> dict[str, Any]:
        return super().state() | {
            "learning_since": self.learning_since,
            "replay_total": self.replay.total,
            "replay_queued": self.replay.queued,
            "latents": None if self.latents is None else self.latents.latent_state(),
            "collector": self.collector.state(),
            "carry": tree.leaves(self.carry),
            **({"decision": self._decision_state()} if self.overlaps else {}),
        }

    def _decision_state(self) -> dict[str, Any] | None:
        if self.decision is None:
            return None
        action, is_first = (torch.from_numpy(x.copy()) for x in (self.decision.action, self.decision.is_first))
        return {"action": action, "is_first": is_first, "carry": tree.leaves(self.decision.carry)}

    def _latent_form(self, latents: LatentReplay) -> dict[str, Any]:
        row = latents.latents[0]
        stored = Must(lambda x: isinstance(x, Tensor) and x.shape[1:] == row.shape and x.dtype == row.dtype, "beliefs")
        return {"stored": stored, "playing": [Each(row)] * self.environments.count}

    def form(self) -> dict[str, Any]:
        count, action = self.environments.count, [float] * self.spec.action.size
        return super().form() | {
            "learning_since": COUNT_OR_NONE_YET,
            "replay_total": COUNT,
            "replay_queued": COUNT,
            "latents": NoneType if self.latents is None else self._latent_form(self.latents),
            "collector": {
                "started": [COUNT] * count,
                "seeds": [COUNT] * count,
                "begun": [bool] * count,
                "actions": [Each(action)] * count,
                "fingerprints": [Each(COUNT)] * count,
            },
            "carry": tree.leaves(self.carry),
            **({"decision": (NoneType, self._decision_form())} if self.overlaps else {}),
        }

    def _decision_form(self) -> dict[str, Any]:
        count, size = self.environments.count, self.spec.action.size
        first = torch.zeros(count, dtype=torch.bool)
        return {"action": torch.zeros(count, size), "is_first": first, "carry": tree.leaves(self.carry)}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self.learning_since = state["learning_since"]
        self.replay.read(self.folder / "replay", state["replay_total"])
        chunks.prune(self.folder / "replay", since=state["replay_total"])
        self.written = self.stored = self.replay.total
        self.saved_at = self.progress_count
        self.replay.queued = state["replay_queued"]
        if self.latents is not None:
            self.latents.load_latent_state(state["latents"])
        self.collector.restore(state["collector"])
        self.carry = self._restored_carry(state["carry"])
        if (begun := state.get("decision")) and not self.collector.waiting():  # else an episode was not restored
            action, is_first = (begun[name].numpy() for name in ("action", "is_first"))
            self.decision = Decision(action, is_first, self._restored_carry(begun["carry"]))

    def _restored_carry(self, leaves: list[Tensor]) -> Carry:
        saved = iter(leaves)
        return tree.map(lambda _: next(saved).to(self.device), self.carry)


def load_value(folder: Path, agent: Agent) -> nn.Module | None:
    """Load the value function that the run of `folder` has trained with its `agent`, from its newest checkpoint.

    It maps features (*b, F) to the return that follows, (*b, 1) in the unit of the model's reward. None if the run
    trains no value. UserError if the folder has no checkpoint.
    """
    behavior = read_config(folder).behavior
    learner = None if behavior is None else behavior.build(agent.config.spec, agent.model.dynamics.feature_size)
    if learner is None or learner.value is None:
        return None
    if not checkpoint.paths(folder / "checkpoints"):
        raise UserError(
            f"{folder} has no checkpoint, which has the value function: take --objective RewardSum, or "
            "bring the run's checkpoints/ here."
        )
    state = checkpoint.newest(folder / "checkpoints")
    learner.load_state_dict(checkpoint.check(state, learner.state_dict(), "learner"))
    return learner.value.to(next(agent.parameters()).device)
