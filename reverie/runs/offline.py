"""The run on recorded data: a model is fitted to them, and a policy, if there is one, learns in its imagination."""

from functools import cached_property
from pathlib import Path
from types import NoneType
from typing import Any

import torch

from reverie.agents.agent import Agent, AgentConfig, choose_device
from reverie.config import hub
from reverie.config.files import read_file, write_file
from reverie.errors import UserError
from reverie.evaluation import generation, prediction, representation
from reverie.learners import Learner
from reverie.models.generative import GenerativeModel
from reverie.models.world_model import WorldModel, WorldModelConfig
from reverie.nn.precision import set_precision
from reverie.nn.weights import read_parts, read_weights, write_weights
from reverie.runs.base import Reporter, Run
from reverie.runs.config import OfflineConfig, read_config
from reverie.runs.update import UpdateNoise, draw_noise, make_optimizers, make_update
from reverie.signals.base import RewardHead
from reverie.spaces import EnvSpec
from reverie.tree import checksum
from reverie.types import Batch


class OfflineRun(Run[OfflineConfig]):
    """The state of a model, and of what learns to act in it, that train on recorded data."""

    unit = interval_unit = "updates"

    def __init__(self, config: OfflineConfig, folder: Path) -> None:
        super().__init__(config, folder)
        self.evaluation_interval = config.training.evaluate_every
        self.recorded = config.data.build(folder, config.seed, self.device, self.generators["host"])
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            self.model = config.model.build(self.recorded.spec).to(self.device)
            self.agent, self.learner = self._build_behavior()
        if config.start is not None:
            parts = ("normalize", "encoder", "dynamics")
            read_parts(Path(config.start) / "model.safetensors", self.model, parts)
        self.modules = {"model": self.model}
        if self.learner is not None:
            self.modules["learner"] = self.learner
        for module in self.modules.values():
            set_precision(module, config.training.precision)
        self.optimizers = make_optimizers(config.model.optimizer, self.model, self.learner)
        self.update = make_update(self.model, self.learner, self.optimizers, config.training.execution)
        self.ready = False
        """Whether the data are loaded and the model is calibrated by them."""

    def _build_behavior(self) -> tuple[Agent | None, Learner[Any, Any] | None]:
        """Return the agent that acts in the model, and what improves it; None without one."""
        behavior, model, spec = self.config.behavior, self.config.model, self.recorded.spec
        if behavior is None:
            return None, None
        if not isinstance(self.model, WorldModel) or not isinstance(model, WorldModelConfig):
            raise UserError("Only a world model can act: set --behavior none.")
        if spec.action.size == 0:
            raise UserError("The recordings hold no actions, so nothing can learn to act: set --behavior none.")
        self._check_rewards(self.model)
        actor = behavior.actor.build_actor(self.model, spec)
        agent = Agent(AgentConfig(spec, model, behavior.actor, self.config.env), self.model, actor)
        learner = behavior.build(spec, self.model.dynamics.feature_size)
        if learner is not None:
            learner = learner.to(self.device)
            agent.follow(learner.policy)
        return agent, learner

    def _check_rewards(self, model: WorldModel) -> None:
        """Raise UserError if rewards are to be learned, and the data that are loaded by now have none."""
        train = getattr(self.recorded, "train", None)  # some data have it when they are loaded
        if not model.has(RewardHead) or train is None or not len(train) or train.storage.whole("reward").any():
            return
        raise UserError(
            f"The recordings of {self.config.world} hold no reward but 0, so nothing can learn to act by them: record "
            "rewards, or set --behavior none to fit the model alone."
        )

    @property
    def remaining(self) -> tuple[int, int]:
        return 0, max(0, self.config.training.updates - self.clock.updates)

    def updates_due(self) -> int:
        if not self.ready:
            return 0
        config, reported = self.config.training, self.clock.reported
        intervals = [config.log_every, config.checkpoint_every, config.evaluate_every]
        upcoming = [(reported // every + 1) * every for every in intervals if every > 0]
        return min(config.updates, *upcoming) - self.clock.updates

    def next_batch(self) -> tuple[Batch, UpdateNoise]:
        config = self.config.training
        noise = draw_noise(self.model, self.learner, config.batch, config.length, self.generators["device"])
        return self.recorded.train.sample(config.batch, config.length), noise

    def step(self, report: Reporter) -> None:
        """Load the data, once. After that, nothing comes between updates."""
        if self.ready:
            return
        self.recorded.load(report.working)
        if self.agent is not None:
            self._check_rewards(self.agent.model)
        self.ready = True
        length = self.config.training.length
        if self.config.start is None:
            self.model.calibrate(self.recorded.train.sample(max(1, 1024 // length), length))
        if isinstance(self.model, WorldModel):  # the features before training, to compare with
            report.evaluation(self._measure_features(self.model, report))

    def evaluate(self, report: Reporter) -> None:
        report.working("evaluating on held-out data")
        model, length = self.model, self.config.training.length
        values, picture = {}, None
        if not isinstance(model, WorldModel):
            values, picture = generation.examine(model, self.recorded, length)
        elif model.draws_images:
            values, picture = prediction.examine(model, self.recorded, length)
        if isinstance(model, WorldModel):
            report.working("evaluating on held-out data")
            values |= self._measure_features(model, report)
        report.evaluation(values)
        if picture is not None:
            self.logger.image("evaluation", picture, self.clock.updates)

    def _measure_features(self, model: WorldModel, report: Reporter) -> dict[str, float]:
        """Measure the features on held-out data, and warn if they have collapsed."""
        truth = representation.judge(self.config.env, self.recorded)
        measures = representation.measure(model, self.recorded, self.config.training.length, truth).values
        report.features(measures, model.dynamics.feature_size)
        start = self.collapse_detector.start
        return measures | ({"scale": measures["std"] / start} if start else {})

    def seconds_to_evaluate(self, report: Reporter) -> float:
        unknown = 0.1 * self.time.limit
        return (2 * report.evaluating or unknown) + (unknown if self.config.goals else 0.0)

    def save_result(self) -> None:
        """Write `model.json` and `model.safetensors` for `load_model`, and an agent's files if it acts."""
        write_file(self.folder / "model.json", self.recorded.spec)
        write_weights(self.folder / "model.safetensors", self.model)
        if self.agent is not None:
            self.agent.save(self.folder)

    @cached_property
    def fingerprint(self) -> str:
        """A checksum of actions and rewards, which differs if the data do. They do not change once they are read."""
        parts = {"train": self.recorded.train, "test": self.recorded.test}
        names = [(part, name) for part in parts for name in ("action", "reward", "is_first")]
        return checksum({f"{part}/{name}": parts[part].storage.whole(name) for part, name in names})

    def state(self) -> dict[str, Any]:
        return super().state() | {"ready": self.ready, "data": self.fingerprint if self.ready else None}

    def form(self) -> dict[str, Any]:
        return super().form() | {"ready": bool, "data": (str, NoneType)}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self.ready = state["ready"]
        if self.ready:
            self.recorded.load(lambda text: None)
            if state["data"] not in (None, self.fingerprint):  # version 0.1 saved none
                raise UserError(
                    f"The data of {self.folder} have changed since its last checkpoint: restore them, or train anew in "
                    "another folder."
                )


def load_model(folder: str | Path, device: str = "auto") -> GenerativeModel | WorldModel:
    """Return the model that a run has fitted to recorded data, in evaluation mode. UserError if there is none.

    `folder` may be `hf:user/name` on the Hub.
    """
    folder = hub.local(folder)
    config = read_config(folder)
    if not isinstance(config, OfflineConfig) or not (folder / "model.safetensors").exists():
        raise UserError(f"{folder} holds no fitted model: give the folder of a run such as `reverie train vae`.")
    model = config.model.build(read_file(EnvSpec, folder / "model.json"))
    read_weights(folder / "model.safetensors", model)
    return model.to(choose_device(device)).eval()
