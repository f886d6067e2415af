"""Latent prediction: nine methods that learn an encoder and a forward model from random interaction.

They act by ranking the predicted results of single actions. They differ in the learning signals alone (`methods`), so
they can be compared. `naive` shows the problem: its encodings collapse. `cfm` is the one to begin with.

Sizes:
- `tiny`: a few thousand parameters, for tests.
- `laptop`: 20,000 transitions of 64x64 pixels, convolutions from 16 channels, 16 dimensions; minutes on a core.
- `paper`: 200,000 transitions, 8 dimensions, batches of 128 transitions, 30 epochs (Yan 2020, App. A).

Departures from the published code at size `paper`: the encoder is PlaNet's with 64 channels to begin with, four
convolutions instead of six. Images are normalized. Trajectories have the environment's own length instead of ten
actions.
"""

from dataclasses import dataclass, replace
from typing import cast

from reverie.data.interaction import InteractionConfig
from reverie.dynamics.deterministic import DeterministicConfig, ForwardConfig, MatrixForwardConfig, MLPForwardConfig
from reverie.envs.base import EnvConfig
from reverie.models.world_model import WorldModelConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.encoder import EncoderConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.planning.actor import PlanningConfig
from reverie.planning.objectives import GoalConfig, ObjectiveConfig, PixelGoalConfig
from reverie.planning.random_shooting import RandomShootingConfig
from reverie.recipes.presets import GOALS, random_frames
from reverie.runs.config import OfflineConfig, OfflineTrainingConfig
from reverie.signals import SignalConfig
from reverie.signals.contrastive import ContrastiveConfig
from reverie.signals.latent_prediction import InverseConfig, LatentPredictionConfig
from reverie.signals.reconstruction import PixelPredictionConfig, ReconstructionConfig
from reverie.signals.regularization import SIGRegConfig, VICRegConfig

TRANSITIONS = {"tiny": 200, "laptop": 20_000, "paper": 200_000}
DIMENSIONS = {"tiny": 6, "laptop": 16, "paper": 8}
DEPTH = {"tiny": 2, "laptop": 16, "paper": 64}
PAIRS, EPOCHS = 128, 30
"""Transitions in a batch, and how often each is learned from, as published."""


@dataclass(frozen=True)
class Method:
    """One row of the table: each signal with its weight, and the few settings that are not shared."""

    signals: dict[str, tuple[float, SignalConfig]]
    clip: float = 20.0
    objective: ObjectiveConfig | None = None
    forward: ForwardConfig | None = None
    dimensions: int | None = None


def methods(size: str) -> dict[str, Method]:
    """The nine methods. A weight over `D` turns a sum over dimensions into their mean."""
    D, conv = DIMENSIONS[size], ConvConfig(DEPTH[size])
    predict, invert = LatentPredictionConfig(), InverseConfig(MLPConfig(3, 128, "relu"))
    reconstruct, predict_pixels = ReconstructionConfig(conv), PixelPredictionConfig(conv)
    bilinear = ContrastiveConfig("bilinear", negatives=("next",))
    published = ContrastiveConfig("distance", negatives=("current",))
    symmetric = ContrastiveConfig("distance", negatives=("next", "current", "trajectory"), symmetric=True)
    mlp = MLPForwardConfig(MLPConfig(2, 200, "relu"))
    cfm = Method({"contrastive": (1, symmetric), "prediction": (0.1, predict)})
    return {
        "naive": Method({"prediction": (1, predict)}),
        "vicreg": Method({"prediction": (25 / D, predict), "vicreg": (1, VICRegConfig())}),
        "sigreg": Method({"prediction": (1 / D, predict), "sigreg": (0.05, SIGRegConfig())}),
        "inverse": Method({"inverse": (1, invert), "prediction": (0.1 / D, predict)}),
        "joint": Method({"inverse": (0.5, invert), "prediction": (1 / D, predict)}, clip=1),
        "contrastive": Method({"contrastive": (1, bilinear)}, objective=GoalConfig("learned")),
        "cfm": Method({"contrastive": (1, published)}) if size == "paper" else cfm,
        "autoencoder": Method({"reconstruction": (8 / 64**2 / 3, reconstruct), "prediction": (1 / D, predict)}, clip=1),
        "pixel_forward": Method({"pixel_forward": (1, predict_pixels)}, 20, PixelGoalConfig(), mlp, dimensions=8 * D),
    }


def naive(size: str, env_id: str | None) -> OfflineConfig:
    """Naive forward prediction in a latent space, the lesson that it collapses: it learns from the prediction alone.

    A constant encoding predicts itself without error. With `--model.dynamics.residual true` the model predicts the
    change, which collapses too.
    """
    return latent_prediction("naive", size, env_id, methods(size)["naive"])


def vicreg(size: str, env_id: str | None) -> OfflineConfig:
    """Forward prediction regularized by variance and covariance (VICReg, Bardes 2022; PLDM, Sobal 2025)."""
    return latent_prediction("vicreg", size, env_id, methods(size)["vicreg"])


def sigreg(size: str, env_id: str | None) -> OfflineConfig:
    """Forward prediction regularized towards an isotropic Gaussian (SIGReg; LeJEPA, Balestriero & LeCun 2025)."""
    return latent_prediction("sigreg", size, env_id, methods(size)["sigreg"])


def inverse(size: str, env_id: str | None) -> OfflineConfig:
    """Inverse model: predict the action between two encodings; the forward model counts a tenth (Agrawal 2016)."""
    return latent_prediction("inverse", size, env_id, methods(size)["inverse"])


def joint(size: str, env_id: str | None) -> OfflineConfig:
    """Forward and inverse model jointly, each the mean over its dimensions (Yan 2020, Sec. 5, baseline; Agrawal 2016).

    It differs from `inverse` in the two weights and in gradients clipped to norm 1.
    """
    return latent_prediction("joint", size, env_id, methods(size)["joint"])


def contrastive(size: str, env_id: str | None) -> OfflineConfig:
    """Contrastive prediction as in CPC: pick what followed among what followed elsewhere (van den Oord 2018).

    The similarity is bilinear; `--model.signals.contrastive.similarity dot` or `distance` compares otherwise.
    """
    return latent_prediction("contrastive", size, env_id, methods(size)["contrastive"])


def cfm(size: str, env_id: str | None) -> OfflineConfig:
    """CFM, the contrastive forward model: pick an action's result among other frames, by distance (Yan et al. 2020).

    `paper` is as published: the negatives of a prediction are the current frames of the rest of the batch. `tiny` and
    `laptop` learn more from a tenth of the data by three changes, each measured in docs/log.md:

    - The batch has several frames of each trajectory, and they are negatives too. The published negatives taught only
      to distinguish trajectories, which is easy.
    - Each frame must also pick the prediction that it came from (`symmetric`), as a planner asks of its goal.
    - The squared error of the prediction has a small weight. Once the right frames are the most alike, the contrastive
      loss falls more easily by stretching the latent space than by predicting better. The error makes stretching cost.
    """
    return latent_prediction("cfm", size, env_id, methods(size)["cfm"])


def autoencoder(size: str, env_id: str | None) -> OfflineConfig:
    """Autoencoding with a forward model: reconstruct the image, and predict the encoding (Yan 2020, Sec. 5, baseline).

    The weights are the published code's. There both terms are means: over pixels in [-1, 1], and over dimensions.
    """
    return latent_prediction("autoencoder", size, env_id, methods(size)["autoencoder"])


def pixel_forward(size: str, env_id: str | None) -> OfflineConfig:
    """Pixel-space forward model: predict the next image, act by comparing images (Yan 2020, Sec. 5, baseline).

    The encoding need not be small, for nothing is compared in it.

    Departure: the image is decoded from the encoding alone, without the published skip connections from the encoder.
    """
    return latent_prediction("pixel_forward", size, env_id, methods(size)["pixel_forward"])


def published_cfm(size: str, env_id: str | None) -> OfflineConfig:
    """CFM as published, but for the encoder and the budget: independent transitions, its negatives, `W(z, a) z`."""
    paper, own = cfm("paper", env_id), cfm(size, env_id)
    published, model = cast(WorldModelConfig, paper.model), cast(WorldModelConfig, own.model)
    model = replace(model, dynamics=published.dynamics, signals=published.signals, weights=published.weights)
    return replace(own, model=model, training=replace(own.training, batch=PAIRS, length=2))


def latent_prediction(recipe: str, size: str, env_id: str | None, method: Method) -> OfflineConfig:
    """The config of a method, of one size, for one environment."""
    env_id = env_id or "reverie/Rope-v0"
    dynamics = forward_model(size)
    dynamics = replace(dynamics, size=method.dimensions or dynamics.size, forward=method.forward or dynamics.forward)
    model = WorldModelConfig(
        encoder=EncoderConfig(ConvConfig(DEPTH[size]), normalize=True),
        dynamics=dynamics,
        signals={term: signal for term, (_, signal) in method.signals.items()},
        weights={term: float(weight) for term, (weight, _) in method.signals.items()},
        optimizer=AdamConfig(lr=1e-3, weight_decay=1e-6, clip=float(method.clip)),
    )
    ranking = RandomShootingConfig(keep_start=False)
    return OfflineConfig(
        recipe,
        size,
        data=interaction(size, env_id),
        model=model,
        training=budget(size),
        actor=PlanningConfig(ranking, method.objective or GoalConfig(), warm_start=False, exploration=0.0),
        goals=GOALS.get(env_id, ()),
        goal_episodes=4 if size == "tiny" else 100,
    )


def forward_model(size: str) -> DeterministicConfig:
    """The change by an MLP; at size `paper` the published `W(z, a) z`, which learns more slowly (docs/log.md)."""
    if size == "paper":
        return DeterministicConfig(DIMENSIONS[size], MatrixForwardConfig())
    units = 16 if size == "tiny" else 200
    return DeterministicConfig(DIMENSIONS[size], MLPForwardConfig(MLPConfig(2, units, "relu")), residual=True)


def interaction(size: str, env_id: str) -> InteractionConfig:
    """Random interaction. Environments with goals record the true state too, for evaluation."""
    count = TRANSITIONS[size]
    if env_id in GOALS:
        return InteractionConfig(EnvConfig(env_id), count, count // 10, privileged=("state",))
    return replace(random_frames(size, env_id), train=count, test=count // 10)


def budget(size: str) -> OfflineTrainingConfig:
    """Sequences of nine steps, eight transitions; as published, at size `paper`, of two, independent transitions."""
    if size == "tiny":
        return OfflineTrainingConfig(60, 4, 5, log_every=20, checkpoint_every=20, evaluate_every=30)
    if size == "laptop":
        return OfflineTrainingConfig(3_000, 16, 9, checkpoint_every=500, evaluate_every=500)
    updates = EPOCHS * TRANSITIONS[size] // PAIRS
    return OfflineTrainingConfig(updates, PAIRS, 2, log_every=500, checkpoint_every=2_000, evaluate_every=4_000)
