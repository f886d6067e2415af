"""What all recipes of latent prediction share: random interaction, an encoder, a forward model in its space, and acting
by ranking what single actions would lead to.

The methods differ in what else is predicted from the encodings (`naive`: nothing, and they collapse), and in nothing
else: so they can be compared. `cfm` is the one to begin with.

Sizes:
- `tiny`: a few thousand parameters, for tests.
- `laptop`: 20,000 transitions of 64x64 pixels, convolutions from 16 channels, 16 dimensions; minutes on a core.
- `paper`: 200,000 transitions, 8 dimensions, batches of 128 transitions, 30 epochs (Yan 2020, App. A).

Departures from the published code at size `paper`: the encoder is PlaNet's with 64 channels to begin with (four
convolutions instead of six), images are normalized, trajectories have the environment's own length instead of ten
actions.
"""

from dataclasses import replace

from reverie.data.interaction import InteractionConfig
from reverie.dynamics.deterministic import DeterministicConfig
from reverie.dynamics.forward_models import ForwardConfig, MatrixForwardConfig, MLPForwardConfig
from reverie.envs.base import EnvConfig
from reverie.models.world_model import WorldModelConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.encoder import EncoderConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.planning.actor import PlanningConfig
from reverie.planning.objectives import GoalConfig, ObjectiveConfig
from reverie.planning.random_shooting import RandomShootingConfig
from reverie.recipes.vae import frames
from reverie.runs.config import OfflineConfig, OfflineTrainingConfig
from reverie.signals import SignalConfig

GOALS = {"reverie/Rope-v0": ("horizontal", "random"), "reverie/Cloth-v0": ("flat", "random")}
"""Environments that give goals, and the ones that a finished model is sent to."""
TRANSITIONS = {"tiny": 200, "laptop": 20_000, "paper": 200_000}
DIMENSIONS = {"tiny": 6, "laptop": 16, "paper": 8}
DEPTH = {"tiny": 2, "laptop": 16, "paper": 64}
PAIRS, EPOCHS = 128, 30
"""Transitions in a batch, and how often each is learned from, as published."""


def latent_prediction(
    recipe: str,
    size: str,
    env_id: str | None,
    signals: dict[str, SignalConfig],
    weights: dict[str, float],
    *,
    forward: ForwardConfig | None = None,
    objective: ObjectiveConfig | None = None,
    dimensions: int | None = None,
    clip: float = 20.0,
) -> OfflineConfig:
    """The config of one size, for one environment; `forward` is the size's own (`forward_model`) unless given."""
    env_id = env_id or "reverie/Rope-v0"
    dynamics = forward_model(size)
    dynamics = replace(dynamics, size=dimensions or dynamics.size, forward=forward or dynamics.forward)
    model = WorldModelConfig(
        encoder=EncoderConfig(ConvConfig(DEPTH[size]), normalize=True),
        dynamics=dynamics,
        signals=signals,
        weights=weights,
        optimizer=AdamConfig(lr=1e-3, weight_decay=1e-6, clip=clip),
    )
    ranking = PlanningConfig(
        RandomShootingConfig(keep_start=False), objective or GoalConfig(), warm_start=False, exploration=0.0
    )
    goals = GOALS.get(env_id, ())
    return OfflineConfig(
        recipe,
        size,
        data=interaction(size, env_id),
        model=model,
        training=budget(size),
        actor=ranking,
        goals=goals,
        goal_episodes=4 if size == "tiny" else 100,
    )


def forward_model(size: str) -> DeterministicConfig:
    """The change by an MLP; at size `paper` the published `W(z, a) z`, which learns more slowly (docs/log.md)."""
    if size == "paper":
        return DeterministicConfig(DIMENSIONS[size], MatrixForwardConfig())
    units = 16 if size == "tiny" else 200
    return DeterministicConfig(DIMENSIONS[size], MLPForwardConfig(MLPConfig(2, units, "relu")), residual=True)


def interaction(size: str, env_id: str) -> InteractionConfig:
    """Random interaction; of worlds of our own with the true state, for whoever judges what was learned."""
    count = TRANSITIONS[size]
    if env_id in GOALS:
        return InteractionConfig(EnvConfig(env_id), count, count // 10, privileged=("state",))
    return replace(frames(size, env_id), train=count, test=count // 10)


def budget(size: str) -> OfflineTrainingConfig:
    """Sequences of nine steps, eight transitions; as published, at size `paper`, of two, independent transitions."""
    if size == "tiny":
        return OfflineTrainingConfig(60, 4, 5, log_every=20, checkpoint_every=20, evaluate_every=30)
    if size == "laptop":
        return OfflineTrainingConfig(3_000, 16, 9, checkpoint_every=500, evaluate_every=500)
    updates = EPOCHS * TRANSITIONS[size] // PAIRS
    return OfflineTrainingConfig(updates, PAIRS, 2, log_every=500, checkpoint_every=2_000, evaluate_every=4_000)
