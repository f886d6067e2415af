"""The config of a run: a recipe returns it, and every run's folder holds it as `config.json`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from reverie.config.checks import Checked, at_least, positive
from reverie.config.files import read_file
from reverie.data import RecordedConfig
from reverie.data.digits import DigitsConfig
from reverie.data.replay import ReplayConfig
from reverie.envs.base import EnvConfig
from reverie.errors import UserError
from reverie.learners import LearnerConfig
from reverie.learners.actor_critic import ActorCriticConfig
from reverie.models import GenerativeConfig
from reverie.models.vae import VAEConfig
from reverie.models.world_model import WorldModelConfig
from reverie.planning.actor import PlanningConfig


@dataclass(frozen=True)
class TrainingConfig(Checked):
    """The budget and the rhythm of collecting and learning. *Frames* include the action repeat, *decisions* do not."""

    frames: int = field(default=1_000_000, metadata=at_least(1))
    """Environment frames in all, prefill included."""
    prefill: int = field(default=5_000, metadata=at_least(0))
    """Frames of uniformly random actions at the start."""
    pretrain: int = field(default=0, metadata=at_least(0))
    """Updates right after the prefill."""
    round: int = field(default=500, metadata=at_least(1))
    """Decisions between two rounds of updates."""
    updates: int = field(default=100, metadata=at_least(1))
    """Updates in a round."""
    ratio: float | None = field(default=None, metadata=positive())
    """Decisions that are replayed for each one that is made, which replaces `round` and `updates` (DreamerV3). An
    update replays `batch` times `length` decisions."""
    starts: int = field(default=0, metadata=at_least(0))
    """Sequences that can be drawn before the first update; until then the untrained policy acts, after `prefill`."""
    batch: int = field(default=50, metadata=at_least(1))
    """B, sequences in a batch."""
    length: int = field(default=50, metadata=at_least(2))
    """T, decisions in a sequence."""
    execution: Literal["eager", "compiled"] = "eager"
    """How the update runs; `compiled` is for GPUs (on a CPU: 110 s of compiling for a 1.26 times faster update)."""
    log_every: int = field(default=500, metadata=at_least(1))
    """Decisions between two lines of training metrics."""
    checkpoint_every: int = field(default=5_000, metadata=at_least(1))
    """Decisions between two checkpoints."""


@dataclass(frozen=True)
class EvaluationConfig(Checked):
    """Episodes by the mode of the policy, on environments of their own."""

    every: int = field(default=0, metadata=at_least(0))
    """Frames between two evaluations while training; 0 leaves only the final one."""
    episodes: int = field(default=3, metadata=at_least(1))
    """Episodes of each evaluation while training."""
    final_episodes: int = field(default=10, metadata=at_least(1))
    """Episodes of the final evaluation."""


@dataclass(frozen=True)
class OfflineTrainingConfig(Checked):
    """The budget of a model that is fitted to recorded data, in updates."""

    updates: int = field(default=10_000, metadata=at_least(1))
    """Updates in all."""
    batch: int = field(default=100, metadata=at_least(1))
    """B, sequences in a batch."""
    length: int = field(default=1, metadata=at_least(1))
    """T, decisions in a sequence."""
    execution: Literal["eager", "compiled"] = "eager"
    """How the update runs; `compiled` is for GPUs."""
    log_every: int = field(default=100, metadata=at_least(1))
    """Updates between two lines of training metrics."""
    checkpoint_every: int = field(default=1_000, metadata=at_least(1))
    """Updates between two checkpoints."""
    evaluate_every: int = field(default=1_000, metadata=at_least(0))
    """Updates between two evaluations on held-out data."""


@dataclass(frozen=True)
class _CommonConfig(Checked):
    recipe: str
    """The recipe that made this config, for titles and folders."""
    size: str
    """The size that the recipe was asked for, such as `tiny`."""
    seed: int = field(default=0, metadata=at_least(0))
    """The seed of all random numbers of the run: weights, actions, batches and noise."""
    device: str = "auto"
    """`cpu`, `cuda`, or `auto` for a GPU if there is one."""
    threads: int = field(default=0, metadata=at_least(0))
    """CPU threads of PyTorch; 0 leaves its default, one a core. Results are bit-identical for the same number."""


@dataclass(frozen=True)
class OnlineConfig(_CommonConfig):
    """Everything that determines what the run of an agent computes."""

    env: EnvConfig = field(default_factory=EnvConfig)
    """The environment of training and evaluation."""
    replay: ReplayConfig = field(default_factory=ReplayConfig)
    """The replay buffer."""
    model: WorldModelConfig = field(default_factory=WorldModelConfig)
    """The world model."""
    behavior: LearnerConfig | PlanningConfig = field(default_factory=ActorCriticConfig)
    """What chooses actions: a learner that trains a policy, or a planner."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """The budget and the rhythm of collecting and learning."""
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    """Episodes that measure the agent."""

    @property
    def world(self) -> str:
        """The environment, for titles and folders."""
        return self.env.id


@dataclass(frozen=True)
class OfflineConfig(_CommonConfig):
    """Everything that determines what a run computes that fits a model to recorded data, without acting."""

    start: str | None = None
    """A finished run's folder: its encoder and dynamics, of the same sizes, are what this world model begins with."""
    data: RecordedConfig = field(default_factory=DigitsConfig)
    """The recorded data."""
    model: GenerativeConfig | WorldModelConfig = field(default_factory=VAEConfig)
    """The model that is fitted."""
    training: OfflineTrainingConfig = field(default_factory=OfflineTrainingConfig)
    """The budget in updates."""
    actor: PlanningConfig | None = None
    """How to act with the fitted model; with one, the run saves an agent too, if actions are continuous."""
    goals: tuple[str, ...] = ()
    """Names of the environment's goals that the finished agent is sent to."""
    goal_episodes: int = field(default=100, metadata=at_least(1))
    """Episodes towards each goal."""

    @property
    def world(self) -> str:
        """The environment or data set, for titles and folders."""
        return self.data.world

    @property
    def env(self) -> EnvConfig | None:
        """The environment that the data are from; None if the recordings name none."""
        return self.data.environment()


RunConfig = OnlineConfig | OfflineConfig


def check_consistent(config: RunConfig) -> None:
    """Raise UserError where settings contradict each other, so that a run would learn nothing."""
    training = config.training
    if isinstance(config, OfflineConfig):
        if isinstance(config.model, WorldModelConfig) and training.length < 2:
            raise UserError("A world model learns from transitions: take --training.length 2 or more.")
        return
    capacity = config.replay.capacity
    if isinstance(training, TrainingConfig) and capacity < training.length:
        raise UserError(
            f"--replay.capacity {capacity} holds no sequence of --training.length {training.length}: take a capacity "
            "that holds all decisions, if the memory allows it."
        )
    if isinstance(training, TrainingConfig) and training.length + training.starts > capacity:
        raise UserError(
            f"--replay.capacity {capacity} never holds --training.starts {training.starts} sequences of"
            f" {training.length} decisions: take fewer, or a larger capacity."
        )
    if isinstance(training, TrainingConfig) and training.prefill >= training.frames:
        raise UserError(
            f"--training.prefill {training.prefill} leaves none of --training.frames {training.frames} to learn in: "
            "take fewer frames of prefill, or more in all."
        )


def read_config(folder: Path) -> RunConfig:
    """Read the config of the run of `folder`. UserError if there is none or it does not fit this version."""
    if not (folder / "config.json").exists():
        raise UserError(f"{folder} is not the folder of a run: it has no config.json.")
    return read_file(RunConfig, folder / "config.json")
