"""The run's config tree: what a recipe returns, what is saved with every run and read back."""

from dataclasses import dataclass, field
from typing import Literal

from reverie.behavior import LearnerConfig
from reverie.behavior.actor_critic import ActorCriticConfig
from reverie.data.replay import ReplayConfig
from reverie.envs.adapter import EnvConfig
from reverie.world_model import WorldModelConfig


@dataclass(frozen=True)
class TrainingConfig:
    """The budget and the rhythm of collecting and learning. *Frames* include the action repeat, *decisions* do not."""

    frames: int = 1_000_000
    """Environment frames in all, prefill included."""
    prefill: int = 5_000
    """Frames of uniformly random actions at the start."""
    pretrain: int = 0
    """Updates right after the prefill."""
    round: int = 500
    """Decisions between two rounds of updates."""
    updates: int = 100
    """Updates in a round."""
    batch: int = 50
    """B, sequences in a batch."""
    length: int = 50
    """T, decisions in a sequence."""
    execution: Literal["eager", "compiled"] = "eager"
    """How the update runs; `compiled` is for GPUs (on a CPU: 110 s of compiling for a 1.26 times faster update)."""
    log_every: int = 500
    """Decisions between two lines of training metrics."""
    checkpoint_every: int = 5_000
    """Decisions between two checkpoints."""


@dataclass(frozen=True)
class EvaluationConfig:
    """Episodes by the mode of the policy, on environments of their own."""

    every: int = 0
    """Frames between two evaluations while training; 0 leaves only the final one."""
    episodes: int = 3
    """Episodes of each of these."""
    final_episodes: int = 10
    """Episodes of the final one."""


@dataclass(frozen=True)
class Config:
    """Everything that decides what a run computes."""

    recipe: str
    size: str
    seed: int = 0
    device: str = "auto"
    threads: int = 0
    """CPU threads of PyTorch; 0 leaves its default, one a core. Results are bit-identical for the same number."""
    env: EnvConfig = field(default_factory=EnvConfig)
    replay: ReplayConfig = field(default_factory=ReplayConfig)
    model: WorldModelConfig = field(default_factory=WorldModelConfig)
    behavior: LearnerConfig = field(default_factory=ActorCriticConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
