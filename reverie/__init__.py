"""Reverie: learn a world model from pixels, and act by planning or practicing inside it.

import reverie

folder = reverie.train(reverie.recipe("dreamer_v1", "laptop", "Pendulum-v1"))
agent = reverie.load(folder)
carry, action = agent.act(None, obs)       # one observation or a batch
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reverie.agents.agent import Agent as Agent
    from reverie.agents.agent import load as load
    from reverie.agents.agent import with_goal as with_goal
    from reverie.agents.agent import with_planner as with_planner
    from reverie.agents.export import export as export
    from reverie.data.from_python import save_recordings as save_recordings
    from reverie.envs.base import EnvConfig as EnvConfig
    from reverie.errors import UserError as UserError
    from reverie.progress import Callback as Callback
    from reverie.progress import Progress as Progress
    from reverie.recipes import build as recipe  # noqa: F401
    from reverie.recipes.grid import grid as grid
    from reverie.recipes.grid import suite as suite
    from reverie.runs.card import push as push
    from reverie.runs.compare import compare as compare
    from reverie.runs.config import OfflineConfig as OfflineConfig
    from reverie.runs.config import OnlineConfig as OnlineConfig
    from reverie.runs.environment import make_env as make_env
    from reverie.runs.evaluation import evaluate as evaluate
    from reverie.runs.evaluation import imagine as imagine
    from reverie.runs.listing import list_runs as list_runs
    from reverie.runs.loop import resume as resume
    from reverie.runs.loop import train as train
    from reverie.runs.offline import load_model as load_model
    from reverie.runs.sweeps.state import cells as cells
    from reverie.runs.sweeps.sweep import sweep as sweep

# Threads of an operation that wait for each other leave the core to others. It must be set before PyTorch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_PLACES = {
    "reverie.agents.agent": ("Agent", "AgentConfig", "load", "with_goal", "with_planner"),
    "reverie.agents.export": ("export",),
    "reverie.agents.policies": ("PolicyConfig",),
    "reverie.config.plugins": ("use",),
    "reverie.data.agent_replay": ("AgentReplayConfig",),
    "reverie.data.arrays": ("ArraysConfig",),
    "reverie.data.dataset": ("DatasetConfig",),
    "reverie.data.digits": ("DigitsConfig",),
    "reverie.data.from_python": ("save_recordings",),
    "reverie.data.interaction": ("InteractionConfig",),
    "reverie.data.lerobot": ("LeRobotConfig",),
    "reverie.data.minari": ("MinariConfig",),
    "reverie.data.replay": ("ReplayConfig",),
    "reverie.dynamics.block_rssm": ("BlockRSSMConfig",),
    "reverie.dynamics.deterministic": ("DeterministicConfig",),
    "reverie.dynamics.rssm": ("RNNConfig", "RSSMConfig", "SSMConfig"),
    "reverie.envs.base": ("EnvConfig",),
    "reverie.errors": ("UserError",),
    "reverie.learners.actor_critic": ("ActorCriticConfig",),
    "reverie.learners.evolution": ("EvolutionConfig",),
    "reverie.learners.joint_actor_critic": ("JointActorCriticConfig",),
    "reverie.models.cvae": ("CVAEConfig",),
    "reverie.models.vae": ("VAEConfig",),
    "reverie.models.world_model": ("WorldModelConfig",),
    "reverie.nn.conv": ("ConvConfig",),
    "reverie.nn.encoder": ("EncoderConfig",),
    "reverie.nn.laprop": ("LaPropConfig",),
    "reverie.nn.mlp": ("MLPConfig",),
    "reverie.nn.optimizer": ("AdamConfig",),
    "reverie.nn.pooled_conv": ("PooledConvConfig",),
    "reverie.nn.two_hot": ("TwoHotConfig",),
    "reverie.planning.actor": ("PlanningConfig",),
    "reverie.planning.cem": ("CEMConfig", "ICEMConfig"),
    "reverie.planning.gradient": ("GradientConfig",),
    "reverie.planning.mppi": ("MPPIConfig",),
    "reverie.planning.objectives": ("GoalConfig", "PixelGoalConfig", "RewardAndValueConfig", "RewardSumConfig"),
    "reverie.planning.random_shooting": ("RandomShootingConfig",),
    "reverie.progress": ("Callback", "Progress"),
    "reverie.recipes": ("recipe",),
    "reverie.recipes.grid": ("grid", "suite"),
    "reverie.runs.card": ("push",),
    "reverie.runs.compare": ("compare",),
    "reverie.runs.config": (
        *("EvaluationConfig", "OfflineConfig", "OfflineTrainingConfig", "OnlineConfig", "TrainingConfig"),
    ),
    "reverie.runs.environment": ("make_env",),
    "reverie.runs.evaluation": ("evaluate", "imagine"),
    "reverie.runs.listing": ("list_runs",),
    "reverie.runs.loop": ("resume", "train"),
    "reverie.runs.offline": ("load_model",),
    "reverie.runs.sweeps.state": ("cells",),
    "reverie.runs.sweeps.sweep": ("sweep",),
}
"""Public names by the module that they come from."""
_MODULES = {name: module for module, names in _PLACES.items() for name in names}
_OTHER_NAMES = {"recipe": "build"}

__all__ = sorted(_MODULES)  # pyrefly: ignore


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import reverie` takes milliseconds."""
    if name not in _MODULES:
        raise AttributeError(f"module 'reverie' has no attribute '{name}'")
    return getattr(import_module(_MODULES[name]), _OTHER_NAMES.get(name, name))


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
