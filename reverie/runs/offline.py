"""The run of a model that is fitted to recorded data; nobody acts in it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from reverie.agents.agent import Agent, AgentConfig, choose_device
from reverie.config.files import encode, read_file
from reverie.envs.base import EnvConfig
from reverie.errors import UserError
from reverie.evaluate import generation, prediction, representation
from reverie.files import atomic_write
from reverie.models.generative import GenerativeModel
from reverie.models.world_model import WorldModel
from reverie.nn.optimizer import Optimizer
from reverie.nn.weights import read_parts, read_weights, write_weights
from reverie.planning.actor import PlanningActor
from reverie.runs.base import Run
from reverie.runs.config import OfflineConfig, read_config
from reverie.runs.update import UpdateNoise, draw_noise, make_update
from reverie.signals.base import ReconstructionHead
from reverie.spaces import EnvSpec
from reverie.types import Batch

if TYPE_CHECKING:
    from reverie.runs.reporter import Reporter


class OfflineRun(Run):
    """All state of a model that is being fitted. Intervals are counted in updates."""

    unit = "updates"
    config: OfflineConfig

    def __init__(self, config: OfflineConfig, folder: Path) -> None:
        super().__init__(config, folder)
        self.recorded = config.data.build(folder, config.seed, self.device, self.generators["host"])
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            self.model = config.model.build(self.recorded.spec).to(self.device)
        if config.start is not None:
            parts = ("normalize", "encoder", "dynamics")
            read_parts(Path(config.start) / "model.safetensors", self.model, parts)
        self.modules = {"model": self.model}
        self.agent = self._agent()
        self.optimizers = {"model": Optimizer(config.model.optimizer, self.model.parameters())}
        self.update = make_update(self.model, None, self.optimizers, config.training.execution)
        self.ready = False
        """Whether the data are there and the model is calibrated by them."""
        self.said: str | None = None

    def _agent(self) -> Agent | None:
        """The model with the actor that the config gives it, if any."""
        if self.config.actor is None:
            return None
        if not isinstance(self.model, WorldModel):
            raise UserError("Only a world model can act: set --actor none.")
        env = getattr(self.config.data, "env", None)
        assert env is None or isinstance(env, EnvConfig)
        config = AgentConfig(self.recorded.spec, self.config.model, self.config.actor, env)  # pyrefly: ignore
        return Agent(config, self.model, PlanningActor(self.config.actor, self.model, self.recorded.spec.action))

    @property
    def ticks(self) -> int:
        return self.clock.updates

    @property
    def done(self) -> tuple[int, int]:
        return self.clock.updates, self.config.training.updates

    def updates_due(self) -> int:
        config = self.config.training
        if not self.ready:
            return 0
        intervals = [config.log_every, config.checkpoint_every, config.evaluate_every]
        reported = self.clock.reported
        upcoming = [(reported // every + 1) * every for every in intervals if every > 0]
        return min(config.updates, *upcoming) - self.clock.updates

    def draw(self) -> tuple[Batch, UpdateNoise]:
        config = self.config.training
        noise = draw_noise(self.model, None, config.batch, config.length, self.generators["device"])
        return self.recorded.train.sample(config.batch, config.length), noise

    def advance(self, report: "Reporter") -> None:
        """Bring the data, once; then there is nothing to do but to update."""
        if self.ready:
            return

        def say(text: str) -> None:
            self.said = text
            report.progress()

        self.recorded.load(say)
        self.ready, self.said = True, None
        length = self.config.training.length
        if self.config.start is None:
            self.model.calibrate(self.recorded.train.sample(max(1, 1024 // length), length))
        if isinstance(self.model, WorldModel):  # what the features were like before they learned anything
            values = self.examine_features(self.model, report)
            report.evaluation(values)

    def evaluation_due(self, due: Any) -> bool:
        return due(self.config.training.evaluate_every)

    def evaluate(self, report: "Reporter") -> None:
        length, values = self.config.training.length, dict[str, float]()
        picture: np.ndarray | None = None
        if not isinstance(self.model, WorldModel):
            values, picture = generation.examine(self.model, self.recorded, length)
        elif self.model.has(ReconstructionHead):
            values, picture = prediction.examine(self.model, self.recorded, length)
        if isinstance(self.model, WorldModel):
            values |= self.examine_features(self.model, report)
        report.evaluation(values)
        if picture is not None:
            self.logger.image("evaluation", picture, self.clock.updates)

    def examine_features(self, model: WorldModel, report: "Reporter") -> dict[str, float]:
        """What the features are worth; sounds the alarm if that is too little."""
        judge = representation.judge(self.config, self.recorded)
        found = representation.measure(model, self.recorded, self.config.training.length, judge)
        report.watch(found.values, model.dynamics.feature_size)
        start = self.alarm.start
        return found.values | ({"scale": found.values["std"] / start} if start else {})

    def message(self) -> str | None:
        return self.said

    def save_result(self) -> None:
        """`model.json` and `model.safetensors`, all that `load` needs; and an agent's files, if the model acts."""
        spec = encode(self.recorded.spec)
        atomic_write(self.folder / "model.json", json.dumps(spec, indent=1).encode())
        write_weights(self.folder / "model.safetensors", self.model)
        if self.agent is not None:
            self.agent.save(self.folder)

    def state(self) -> dict[str, Any]:
        return super().state() | {"ready": self.ready}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        if state["ready"]:
            self.recorded.load(lambda text: None)
            self.ready = True


def load(folder: str | Path, device: str = "auto") -> GenerativeModel | WorldModel:
    """The model that was fitted in a run's folder, ready for use. UserError where there is none."""
    folder = Path(folder)
    config = read_config(folder)
    if not isinstance(config, OfflineConfig) or not (folder / "model.safetensors").exists():
        raise UserError(f"{folder} holds no fitted model: give the folder of a run such as `reverie train vae`.")
    model = config.model.build(read_file(EnvSpec, folder / "model.json"))
    read_weights(folder / "model.safetensors", model)
    return model.to(choose_device(device)).eval()
