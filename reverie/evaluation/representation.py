"""Measure the features of a world model: their scale and rank, their content, and the error of their predictions.

All measures are of held-out sequences. z_t are the features of the belief at step t. z^_{t+1} are those that the model
predicts from it and a_t. C is the covariance of z over all frames.

| value | meaning |
|---|---|
| `dimensions` | F, the number of features |
| `std`, `std_median`, `std_min` | standard deviation per dimension: mean, median, least |
| `dead_dimensions` | the share whose std is below a hundredth of the median |
| `scale` | `std` over its value before the first update (only for a run) |
| `participation_ratio` | `(tr C)^2 / tr C^2` |
| `rankme`, `rankme_uncentered` | Garrido 2022, of z less its mean and of z itself |
| `probe` | R^2 of linear probes of the true state, learned on the training data; mean over its numbers |
| `inverse` | R^2 of a linear regression from [z_t, z_{t+1}] to a_t, likewise; it sees no products of the two, \
and says little where z has a memory: a belief depends on the action |
| `error_to_copy` | `(E ||z^_{t+1} - z_{t+1}||^2 / E ||z_t - z_{t+1}||^2)^1/2`: 1 is as bad as repeating z_t |
| `error_to_variance` | `E ||z^_{t+1} - z_{t+1}||^2 / tr C`: 1 is as bad as predicting the mean |
| `rank_correlation` | Spearman's, of latent and true distances of random pairs of frames |

A ratio to zero (constant features) is NaN.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reverie.data.base import Recorded
from reverie.envs.base import EnvConfig
from reverie.evaluation import figures
from reverie.evaluation.ground_truth import GroundTruth, ground_truth
from reverie.evaluation.probes import linear_probes, rank_correlation
from reverie.math.spectra import rankme, scale_metrics, singular_values
from reverie.models.world_model import WorldModel
from reverie.types import Batch

MOST_FRAMES, PAIRS = 2048, 2000
"""Frames of each part of the data, and pairs of them whose distances are compared."""


@dataclass(frozen=True)
class Representation:
    """The table above, and what it summarizes. `probes` is empty without a ground truth."""

    values: dict[str, float]
    std: Float[np.ndarray, " F"]
    spectrum: Float[np.ndarray, " K"]
    """Singular values of the centered features over sqrt N."""
    probes: Float[np.ndarray, " P"]
    """R^2 of each number of the true state."""


@dataclass(frozen=True)
class Beliefs:
    """A part of the data and the model's features of it."""

    batch: Batch
    features: Float[Tensor, "B T F"]
    predicted: Float[Tensor, "B T F"]
    """Column t from t - 1 and the action there; meaningless where an episode begins."""

    @property
    def frames(self) -> Float[Tensor, "N F"]:
        return self.features.flatten(0, 1)

    @property
    def same_episode(self) -> Bool[Tensor, "B T1"]:
        """Whether columns t and t + 1 are of one episode."""
        return ~self.batch.is_first[:, 1:]

    def pairs(self) -> tuple[Float[Tensor, "M F2"], Float[Tensor, "M A"]]:
        """Return [z_t, z_{t+1}] and the action between them."""
        both = torch.cat([self.features[:, :-1], self.features[:, 1:]], -1)
        return both[self.same_episode], self.batch.action[:, :-1][self.same_episode]

    def true_state(self, judge: GroundTruth) -> Float[np.ndarray, "N n"]:
        return self.batch.obs[judge.name].flatten(0, 1).double().cpu().numpy()


@torch.no_grad()
def filter_batch(model: WorldModel, batch: Batch, seed: int = 0) -> Beliefs:
    """Filter a batch with posteriors sampled by fixed noise. Predictions are means."""
    generator = torch.Generator(batch.action.device).manual_seed(seed)
    trace = model.trace(batch, model.noise(batch.action.shape[0], batch.action.shape[1], generator))
    return Beliefs(batch, trace.features, model.dynamics.features(trace.prior))


def measure(model: WorldModel, recorded: Recorded, length: int, judge: GroundTruth | None = None) -> Representation:
    """Return all of the table but `scale`. `probe` and `rank_correlation` need the ground truth `judge`."""
    length, most = max(2, length), MOST_FRAMES // max(2, length)
    train, test = (filter_batch(model, part.evenly_spaced(length, most)) for part in (recorded.train, recorded.test))
    values = {name: float(value) for name, value in scale_metrics(test.frames).items()}
    values["dimensions"] = float(test.frames.shape[1])
    values["rankme"] = float(rankme(test.frames, centered=True))
    values["rankme_uncentered"] = float(rankme(test.frames, centered=False))
    values |= prediction_errors(test)
    values["inverse"] = float(linear_probes(*train.pairs(), *test.pairs()).nanmean())
    probes = torch.zeros(0)
    if judge is not None:
        targets = [torch.from_numpy(judge.targets(part.true_state(judge))).double() for part in (train, test)]
        probes = linear_probes(train.frames.cpu(), targets[0], test.frames.cpu(), targets[1])
        values["probe"] = float(probes.nanmean())
        values["rank_correlation"] = distance_correlation(judge, test)
    std, spectrum = test.frames.std(0), singular_values(test.frames, centered=True)
    return Representation(values, std.cpu().numpy(), spectrum.cpu().numpy(), probes.numpy())


def prediction_errors(beliefs: Beliefs) -> dict[str, float]:
    """Return `error_to_copy` and `error_to_variance`."""
    columns = (beliefs.features[:, :-1], beliefs.features[:, 1:], beliefs.predicted[:, 1:])
    z, following, predicted = (column[beliefs.same_episode].double() for column in columns)
    error, copy = ((x - following).square().sum(-1).mean() for x in (predicted, z))
    variance = beliefs.frames.double().var(0, correction=0).sum()
    ratios = [float(error / whole) if whole > 0 else float("nan") for whole in (copy, variance)]
    return {"error_to_copy": ratios[0] ** 0.5, "error_to_variance": ratios[1]}


def distance_correlation(judge: GroundTruth, beliefs: Beliefs, seed: int = 0) -> float:
    """Return `rank_correlation`: whether frames that are near in truth are near in the latent space."""
    state, features = beliefs.true_state(judge), beliefs.frames.double().cpu().numpy()
    one, other = np.random.default_rng(seed).integers(len(state), size=(2, PAIRS))
    if judge.distance is not None:
        true = judge.distance(state[one], state[other])
    else:
        targets = judge.targets(state)
        targets = targets / np.maximum(targets.std(0), 1e-12)
        true = np.linalg.norm(targets[one] - targets[other], axis=-1)
    return rank_correlation(np.linalg.norm(features[one] - features[other], axis=-1), true)


def draw(path: Path, measured: Representation) -> Path:
    """Write a PNG of standard deviations and singular values, each in descending order, on a logarithmic axis."""
    curves = {"standard deviation of a dimension": measured.std, "singular value over √N": measured.spectrum}
    series = {}
    for label, values in curves.items():
        visible = np.maximum(np.sort(values)[::-1], max(1e-4 * values.max(), 1e-8))
        series[label] = list(enumerate(visible.tolist(), start=1))
    return figures.plot(
        path, series, figures.Style("Scale of the features", "dimension, the largest first", log_y=True)
    )


def sentence(values: dict[str, float]) -> str:
    """Return the numbers as text."""
    size = values["dimensions"]
    scale = f", {values['scale']:.2g} times that of the start" if "scale" in values else ""
    probe = f", linear probe of the true state R² {values['probe']:.2f}" if "probe" in values else ""
    return (
        f"features of {size:.0f} dimensions: standard deviation {values['std']:.3g}{scale}, "
        f"RankMe {values['rankme']:.1f}, participation ratio {values['participation_ratio']:.1f}, "
        f"{round(values['dead_dimensions'] * size)} dead; "
        f"prediction error {values['error_to_copy']:.2f} of repeating the last{probe}, "
        f"of the action {values['inverse']:.2f}"
    )


def warning(values: dict[str, float]) -> str | None:
    """Return a sentence if the model predicts no better than repeating the last features."""
    if not values["error_to_copy"] >= 1:
        return None
    return "Repeating the last features predicts better than this model: train longer, or look at its alarms."


def judge(env: EnvConfig | None, recorded: Recorded) -> GroundTruth | None:
    """Return the ground truth in data from `env`: recorded vectors that the model does not see. None without any."""
    parts = recorded.test.layout.items()
    vectors = {name.removeprefix("obs/") for name, (shape, _) in parts if name.startswith("obs/") and len(shape) == 1}
    return ground_truth(env, sorted(vectors - recorded.spec.obs.keys()))
