"""The config of a run: a recipe returns it, and every run's folder holds it as `config.json`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reverie.config.checks import MAY_CHANGE, Checked, at_least, between, positive
from reverie.config.files import read_file
from reverie.config.overrides import leaves
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
from reverie.nn.precision import Precision
from reverie.planning.actor import PlanningConfig
from reverie.runs.execution import Execution
from reverie.runs.trackers import LogConfig, TensorBoardConfig
from reverie.runs.versions import that_version_reads, writer_of


@dataclass(frozen=True)
class TrainingConfig(Checked):
    """The budget and the rhythm of collecting and learning. *Frames* include the action repeat, *decisions* do not."""

    frames: int = field(default=1_000_000, metadata=at_least(1) | MAY_CHANGE)
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
    execution: Execution = field(default="eager", metadata=MAY_CHANGE)
    """How the update runs. `graph`, for GPUs: recorded once and replayed, and so are acting and planning.

    `compiled` joins small operations of the update. On a CPU it takes 110 s and makes an update 1.26 times faster."""
    precision: Precision = "float32"
    """Numbers of matrix products and convolutions: `bfloat16` is for GPUs, and all else stays float32."""
    overlap: bool = False
    """Play while the updates are computed, by the policy of before them. It pays with a GPU, or with env.workers."""
    log_every: int = field(default=500, metadata=at_least(1) | MAY_CHANGE)
    """Decisions between two lines of training metrics."""
    checkpoint_every: int = field(default=5_000, metadata=at_least(1) | MAY_CHANGE)
    """Decisions between two checkpoints."""
    minutes: float | None = field(default=None, metadata=positive() | MAY_CHANGE)
    """Minutes of wall time in all, final evaluation included, or none (`--time-budget`, `runs.time_budget`)."""
    cooldown: float = field(default=0.0, metadata=between(0, 1))
    """The last part of `frames` in which learning rates fall linearly to zero; 0 leaves them as they are."""
    checkpoint_minutes: float = field(default=10.0, metadata=at_least(0) | MAY_CHANGE)
    """Minutes after which a checkpoint is written in any case; 0 writes none by the clock."""


@dataclass(frozen=True)
class EvaluationConfig(Checked):
    """Episodes by the mode of the policy, on environments of their own."""

    every: int = field(default=0, metadata=at_least(0))
    """Frames between two evaluations while training; 0 leaves only the final one."""
    episodes: int = field(default=3, metadata=at_least(1))
    """Episodes of each evaluation while training."""
    final_episodes: int = field(default=10, metadata=at_least(1))
    """Episodes of the final evaluation."""
    sampled: bool = False
    """Whether beliefs are sampled, and planners draw new noise at every decision, as in the published agents.

    Without it an agent acts on mean beliefs, and a planner searches with the same noise at every decision."""


@dataclass(frozen=True)
class OfflineTrainingConfig(Checked):
    """The budget of a run on recorded data, in updates."""

    updates: int = field(default=10_000, metadata=at_least(1) | MAY_CHANGE)
    """Updates in all."""
    batch: int = field(default=100, metadata=at_least(1))
    """B, sequences in a batch."""
    length: int = field(default=1, metadata=at_least(1))
    """T, decisions in a sequence."""
    execution: Execution = field(default="eager", metadata=MAY_CHANGE)
    """How the update runs, as for an agent: `graph` and `compiled` are for GPUs."""
    precision: Precision = "float32"
    """Numbers of matrix products and convolutions: `bfloat16` is for GPUs, and all else stays float32."""
    log_every: int = field(default=100, metadata=at_least(1) | MAY_CHANGE)
    """Updates between two lines of training metrics."""
    checkpoint_every: int = field(default=1_000, metadata=at_least(1) | MAY_CHANGE)
    """Updates between two checkpoints."""
    minutes: float | None = field(default=None, metadata=positive() | MAY_CHANGE)
    """Minutes of wall time in all, final evaluation included, or none (`--time-budget`, `runs.time_budget`)."""
    cooldown: float = field(default=0.0, metadata=between(0, 1))
    """The last part of `updates` in which learning rates fall linearly to zero; 0 leaves them as they are."""
    checkpoint_minutes: float = field(default=10.0, metadata=at_least(0) | MAY_CHANGE)
    """Minutes after which a checkpoint is written in any case; 0 writes none by the clock."""
    evaluate_every: int = field(default=1_000, metadata=at_least(0) | MAY_CHANGE)
    """Updates between two evaluations on held-out data."""


@dataclass(frozen=True)
class _CommonConfig(Checked):
    recipe: str
    """The recipe that made this config, for titles and folders."""
    size: str
    """The size that the recipe was asked for, such as `tiny`."""
    seed: int = field(default=0, metadata=at_least(0))
    """The seed of all random numbers of the run: weights, actions, batches and noise."""
    device: str = field(default="auto", metadata=MAY_CHANGE)
    """`cpu`, `cuda`, or `auto` for a GPU if there is one."""
    threads: int = field(default=0, metadata=between(0, 1024) | MAY_CHANGE)
    """CPU threads of PyTorch. A new run replaces 0 by as many as a short measurement finds worth it.

    Results are bit-identical for the same number."""
    log: dict[str, LogConfig] = field(default_factory=lambda: {"tensorboard": TensorBoardConfig()}, metadata=MAY_CHANGE)
    """What shows the log, besides `metrics.jsonl`: `--log tensorboard,wandb,trackio`, some of them, or none."""


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
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig, metadata=MAY_CHANGE)
    """Episodes that measure the agent."""

    @property
    def world(self) -> str:
        """The environment, for titles and folders."""
        return self.env.id


@dataclass(frozen=True)
class OfflineConfig(_CommonConfig):
    """Everything that determines what a run on recorded data computes, which plays no environment."""

    start: str | None = None
    """A finished run's folder: its encoder and dynamics, of the same sizes, are what this world model begins with."""
    data: RecordedConfig = field(default_factory=DigitsConfig)
    """The recorded data."""
    model: GenerativeConfig | WorldModelConfig = field(default_factory=VAEConfig)
    """The model that is fitted."""
    training: OfflineTrainingConfig = field(default_factory=OfflineTrainingConfig)
    """The budget in updates."""
    behavior: LearnerConfig | PlanningConfig | None = None
    """What chooses actions: a learner that trains a policy in imagination, or a planner. With one, the run saves an
    agent too."""
    goals: tuple[str, ...] = field(default=(), metadata=MAY_CHANGE)
    """Names of the environment's goals that the finished agent is sent to."""
    goal_episodes: int = field(default=100, metadata=at_least(1) | MAY_CHANGE)
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
    """Raise UserError where a run would learn nothing, because settings contradict each other, or lacks a package."""
    for sentence in _contradictions(config):
        raise UserError(sentence)
    for tracker in config.log.values():
        tracker.check()


def _contradictions(config: RunConfig) -> Iterator[str]:
    training, model = config.training, config.model
    length, world_model = training.length, model if isinstance(model, WorldModelConfig) else WorldModelConfig()
    if length < model.least_length:
        yield f"This model learns from transitions: take --training.length {model.least_length} or more."
    for name, signal in world_model.signals.items():
        if (steps := getattr(signal, "steps", 1)) >= length:
            yield (
                f"--model.signals.{name}.steps {steps} predicts beyond sequences of --training.length {length}: take "
                f"{length - 1} or fewer, or longer sequences."
            )
    if world_model.weights and not any(world_model.weights.values()):
        yield f"--model.weights.{next(iter(world_model.weights))} and all others are 0: nothing would be learned."
    for path, value in leaves(config).items():
        if path.endswith("optimizer.lr") and value == 0:
            yield f"--{path} is 0, with which nothing is learned: take a small number, such as 0.0003."
    if not isinstance(config, OnlineConfig):
        return
    capacity, prefill, frames = config.replay.capacity, config.training.prefill, config.training.frames
    if capacity < length:
        yield (
            f"--replay.capacity {capacity} holds no sequence of --training.length {length}: take a capacity that holds "
            "all decisions, if the memory allows it."
        )
    if length + config.training.starts > capacity:
        yield (
            f"--replay.capacity {capacity} never holds --training.starts {config.training.starts} sequences of "
            f"{length} decisions: take fewer, or a larger capacity."
        )
    if prefill >= frames:
        yield (
            f"--training.prefill {prefill} leaves none of --training.frames {frames} to learn in: take fewer frames of "
            "prefill, or more in all."
        )


def read_config(folder: Path) -> RunConfig:
    """Read the config of the run of `folder`. UserError if there is none or it does not fit this version."""
    if not (folder / "config.json").exists():
        raise UserError(f"{folder} is not the folder of a run: it has no config.json.")
    try:
        return read_file(RunConfig, folder / "config.json")
    except UserError as error:
        raise UserError(f"{error}{that_version_reads(writer_of(folder))}") from None
