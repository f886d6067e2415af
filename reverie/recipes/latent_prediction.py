"""Latent prediction: nine methods that learn an encoder and a forward model from random interaction.

They act by ranking the predicted results of single actions. They differ in the learning signals alone, so they can be
compared. `naive` shows the problem: its encodings collapse. `cfm` is the one to begin with.

Sizes:
- `tiny`: a few thousand parameters, for tests.
- `laptop`: 20,000 transitions of 64x64 pixels, convolutions from 16 channels, 16 dimensions; minutes on a core.
- `paper`: 200,000 transitions, 8 dimensions, batches of 128 transitions, 30 epochs (Yan 2020, App. A).

Departures from the published code at size `paper`:
- The encoder is PlaNet's with 64 channels to begin with, four convolutions instead of six.
- Images are normalized, in place of a range of [-1, 1]. So a static background does not hide the object.
- Trajectories have the environment's own length instead of ten actions. So fewer of the pairs are a first action.
- CFM, the autoencoder and the joint model alike have 30 epochs and the forward model of CFM. The published code of the
  other two has 50 epochs, and no weight decay.
- The inverse model has no tanh at its end.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from reverie.data.interaction import InteractionConfig
from reverie.dynamics.deterministic import DeterministicConfig, MatrixForwardConfig, MLPForwardConfig
from reverie.envs.base import EnvConfig
from reverie.models.world_model import WorldModelConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.encoder import EncoderConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.planning.actor import PlanningConfig
from reverie.planning.objectives import GoalConfig, ObjectiveConfig, PixelGoalConfig
from reverie.planning.random_shooting import RandomShootingConfig
from reverie.recipes.presets import GOALS, offline_budget, random_frames
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
"""Transitions in a batch, and passes over the data, as published."""


PREDICTION = LatentPredictionConfig()
DISTANCE = GoalConfig()
INVERSE = InverseConfig(MLPConfig(3, 128, "relu"))


def naive(size: str, env_id: str | None) -> OfflineConfig:
    """Naive forward prediction in a latent space, the lesson that it collapses: it learns from the prediction alone.

    A constant encoding predicts itself without error. With `--model.dynamics.residual true` the model predicts the
    change, which collapses too.
    """
    return latent_prediction("naive", size, env_id, {"prediction": (1, PREDICTION)})


def vicreg(size: str, env_id: str | None) -> OfflineConfig:
    """Forward prediction regularized by variance and covariance (VICReg, Bardes 2022; PLDM, Sobal 2025)."""
    signals = {"prediction": (25 / DIMENSIONS[size], PREDICTION), "vicreg": (1, VICRegConfig())}
    return latent_prediction("vicreg", size, env_id, signals)


def sigreg(size: str, env_id: str | None) -> OfflineConfig:
    """Forward prediction regularized towards an isotropic Gaussian (SIGReg; LeJEPA, Balestriero & LeCun 2025)."""
    signals = {"prediction": (1 / DIMENSIONS[size], PREDICTION), "sigreg": (0.05, SIGRegConfig())}
    return latent_prediction("sigreg", size, env_id, signals)


def inverse(size: str, env_id: str | None) -> OfflineConfig:
    """Inverse model: predict the action between two encodings; the forward model counts a tenth (Agrawal 2016)."""
    signals = {"inverse": (1, INVERSE), "prediction": (0.1 / DIMENSIONS[size], PREDICTION)}
    return latent_prediction("inverse", size, env_id, signals)


def joint(size: str, env_id: str | None) -> OfflineConfig:
    """Forward and inverse model jointly, each the mean over its dimensions (Yan 2020, Sec. 5, baseline; Agrawal 2016).

    It differs from `inverse` in the two weights and in gradients clipped to norm 1.
    """
    signals = {"inverse": (1, replace(INVERSE, average=True)), "prediction": (1 / DIMENSIONS[size], PREDICTION)}
    return latent_prediction("joint", size, env_id, signals, clip=1)


def contrastive(size: str, env_id: str | None) -> OfflineConfig:
    """Contrastive prediction as in CPC: pick the next frame among the next frames of others (van den Oord 2018).

    The similarity is bilinear; `--model.signals.contrastive.similarity dot` or `distance` compares otherwise.
    """
    signals = {"contrastive": (1, ContrastiveConfig("bilinear", negatives=("next",)))}
    return latent_prediction("contrastive", size, env_id, signals, objective=GoalConfig("learned"))


def cfm(size: str, env_id: str | None) -> OfflineConfig:
    """CFM, the contrastive forward model: pick an action's result among other frames, by distance (Yan et al. 2020).

    `paper` is as published: the negatives of a prediction are the current frames of the rest of the batch. `tiny` and
    `laptop` learn more from a tenth of the data by three changes, each measured in docs/log.md:

    - The batch has several frames of each trajectory, which are negatives too. The published negatives taught only to
      distinguish trajectories.
    - Each frame must also pick its own prediction (`symmetric`), as planning towards a goal does.
    - The squared error of the prediction has a small weight. Stretching the latent space reduces the contrastive loss
      without a better prediction, and increases this error.
    """
    if size == "paper":
        signals = {"contrastive": (1, ContrastiveConfig("distance", negatives=("current",)))}
        return latent_prediction("cfm", size, env_id, signals)
    contrast = ContrastiveConfig("distance", negatives=("next", "current", "trajectory"), symmetric=True)
    return latent_prediction("cfm", size, env_id, {"contrastive": (1, contrast), "prediction": (0.1, PREDICTION)})


def autoencoder(size: str, env_id: str | None) -> OfflineConfig:
    """Autoencoding with a forward model: reconstruct the image, and predict the encoding (Yan 2020, Sec. 5, baseline).

    The reconstruction counts four times the fraction of the images' variance that it does not explain. The prediction
    counts its mean squared error over dimensions.

    Departure: the published code counts the mean squared error of pixels in [-1, 1], which is four times that of pixels
    in [0, 1]. It is as much less as those have less variance than 1. With so little the encodings collapsed.
    """
    reconstruction = (4, ReconstructionConfig(ConvConfig(DEPTH[size]), average=True))
    signals = {"reconstruction": reconstruction, "prediction": (1 / DIMENSIONS[size], PREDICTION)}
    return latent_prediction("autoencoder", size, env_id, signals, clip=1)


def pixel_forward(size: str, env_id: str | None) -> OfflineConfig:
    """Pixel-space forward model: predict the next image, act by comparing images (Yan 2020, Sec. 5, baseline).

    Departure: the image is decoded from the encoding alone, without the published skip connections from the encoder.
    """
    signals = {"pixel_forward": (1, PixelPredictionConfig(ConvConfig(DEPTH[size])))}
    base = latent_prediction("pixel_forward", size, env_id, signals, objective=PixelGoalConfig())
    forward, dimensions = MLPForwardConfig(MLPConfig(2, 200, "relu")), 8 * DIMENSIONS[size]
    dynamics = replace(forward_model(size), size=dimensions, forward=forward)
    return replace(base, model=replace(cast(WorldModelConfig, base.model), dynamics=dynamics))


def published_cfm(size: str, env_id: str | None) -> OfflineConfig:
    """CFM as published, but for the encoder and the budget: independent transitions, its negatives, `W(z, a) z`."""
    paper, own = cfm("paper", env_id), cfm(size, env_id)
    published, model = cast(WorldModelConfig, paper.model), cast(WorldModelConfig, own.model)
    model = replace(model, dynamics=published.dynamics, signals=published.signals, weights=published.weights)
    return replace(own, model=model, training=replace(own.training, batch=PAIRS, length=2))


def latent_prediction(
    recipe: str, size: str, env_id: str | None, signals: Mapping[str, tuple[float, SignalConfig]],
    clip: float = 20.0, objective: ObjectiveConfig = DISTANCE,
) -> OfflineConfig:  # fmt: skip
    """Return the config of a method. `signals` have their weights: one over D turns a sum over dimensions into a mean.

    `clip` is the norm that the gradient is clipped to, `objective` compares a prediction with the goal.
    """
    env_id = env_id or "reverie/Rope-v0"
    decay_by = "gradient" if size == "paper" else "rate"  # the published code has PyTorch's Adam
    model = WorldModelConfig(
        encoder=EncoderConfig(ConvConfig(DEPTH[size]), normalize=True),
        dynamics=forward_model(size),
        signals={name: signal for name, (_, signal) in signals.items()},
        weights={name: float(weight) for name, (weight, _) in signals.items()},
        optimizer=AdamConfig(lr=1e-3, weight_decay=1e-6, decay_by=decay_by, clip=float(clip)),
    )
    return OfflineConfig(
        recipe,
        size,
        data=interaction(size, env_id),
        model=model,
        training=budget(size),
        behavior=PlanningConfig(RandomShootingConfig(keep_start=False), objective, warm_start=False, exploration=0.0),
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
    """Return random interaction. Environments with goals record the true state too, for evaluation."""
    count = TRANSITIONS[size]
    if env_id in GOALS:
        return InteractionConfig(EnvConfig(env_id), count, count // 10, privileged=("state",))
    return replace(random_frames(size, env_id), train=count, test=count // 10)


def budget(size: str) -> OfflineTrainingConfig:
    """Return sequences of nine steps, eight transitions; at size `paper` independent transitions, as published."""
    if size == "tiny":
        return offline_budget(size, 60, 4, 5)
    if size == "laptop":
        return OfflineTrainingConfig(3_000, 16, 9, checkpoint_every=500, evaluate_every=500)
    updates = EPOCHS * TRANSITIONS[size] // PAIRS
    return OfflineTrainingConfig(updates, PAIRS, 2, log_every=500, checkpoint_every=2_000, evaluate_every=4_000)
