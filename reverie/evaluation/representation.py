"""Measure the features of a world model: their scale and rank, what they encode, and how well they are predicted.

All measures are of held-out sequences. z_t are the features of the belief at step t, z^_{t+1} those of the belief that
the model predicts from it and a_t; C is the covariance of z over all frames.

| value | what it is |
|---|---|
| `dimensions` | F, how many numbers the features have |
| `std`, `std_median`, `std_min` | standard deviation per dimension: mean, median, least |
| `dead_dimensions` | the share whose std is below a hundredth of the median |
| `scale` | `std` over what it was before the first update (for a run) |
| `participation_ratio` | `(tr C)^2 / tr C^2` |
| `rankme`, `rankme_uncentered` | Garrido 2022, of z less its mean and of z itself |
| `probe` | R^2 of linear probes of the true state, learned on the data of training; mean over its numbers |
| `inverse` | R^2 of a linear regression from [z_t, z_{t+1}] to a_t, likewise; it sees no products of the two, \
and says little where z has a memory: a belief depends on the action |
| `error_to_copy` | `(E ||z^_{t+1} - z_{t+1}||^2 / E ||z_t - z_{t+1}||^2)^1/2`: 1 is as bad as repeating z_t |
| `error_to_variance` | `E ||z^_{t+1} - z_{t+1}||^2 / tr C`: 1 is as bad as predicting the mean |
| `rank_correlation` | Spearman's, of latent and true distances of random pairs of frames |

A ratio to nothing (features that are constant) is NaN: there is no number.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
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
"""Frames of each part that are looked at, and pairs of them whose distances are compared."""


@dataclass(frozen=True)
class Representation:
    """`values` are the table above; `std` and `spectrum` (singular values over sqrt N, centered) by dimension;
    `probes` R^2 by number of the true state, none without one."""

    values: dict[str, float]
    std: Float[np.ndarray, " F"]
    spectrum: Float[np.ndarray, " K"]
    probes: Float[np.ndarray, " P"]


@dataclass(frozen=True)
class Seen:
    """A part of the data as a model sees it."""

    batch: Batch
    features: Float[Tensor, "B T F"]
    predicted: Float[Tensor, "B T F"]
    """Of column t from t - 1 and the action there; meaningless where an episode begins."""

    @property
    def frames(self) -> Float[Tensor, "N F"]:
        return self.features.flatten(0, 1)

    @property
    def follows(self) -> Tensor:
        """`(B, T - 1)`: whether column t + 1 is of the episode of column t."""
        return ~self.batch.is_first[:, 1:]

    def pairs(self) -> tuple[Float[Tensor, "M F2"], Float[Tensor, "M A"]]:
        """[z_t, z_{t+1}] and the action between them."""
        both = torch.cat([self.features[:, :-1], self.features[:, 1:]], -1)
        return both[self.follows], self.batch.action[:, :-1][self.follows]


@torch.no_grad()
def see(model: WorldModel, batch: Batch, seed: int = 0) -> Seen:
    """Filter a batch; posteriors are drawn by fixed noise where the model has chance in it, predictions are means."""
    generator = torch.Generator(batch.action.device).manual_seed(seed)
    trace = model.trace(batch, model.noise(batch.action.shape[0], batch.action.shape[1], generator))
    return Seen(batch, trace.features, model.dynamics.features(trace.prior))


def measure(model: WorldModel, recorded: Recorded, length: int, judge: GroundTruth | None = None) -> Representation:
    """All of the table but `scale`, and `probe` and `rank_correlation` only where there is a truth to judge by."""
    length, most = max(2, length), MOST_FRAMES // max(2, length)
    train, test = (see(model, part.evenly_spaced(length, most)) for part in (recorded.train, recorded.test))
    values = {name: float(value) for name, value in scale_metrics(test.frames).items()}
    values["dimensions"] = float(test.frames.shape[1])
    values["rankme"] = float(rankme(test.frames, centered=True))
    values["rankme_uncentered"] = float(rankme(test.frames, centered=False))
    values |= prediction_errors(test)
    values["inverse"] = float(linear_probes(*train.pairs(), *test.pairs()).nanmean())
    probes = np.zeros(0)
    if judge is not None:
        each = probe(judge, train, test)
        probes = each.numpy()
        values["probe"] = float(each.nanmean())
        values["rank_correlation"] = neighborhoods(judge, test)
    std, spectrum = test.frames.std(0), singular_values(test.frames, centered=True)
    return Representation(values, std.cpu().numpy(), spectrum.cpu().numpy(), probes)


def prediction_errors(seen: Seen) -> dict[str, float]:
    """`error_to_copy` and `error_to_variance`."""
    z, following = (part[seen.follows].double() for part in (seen.features[:, :-1], seen.features[:, 1:]))
    error = (seen.predicted[:, 1:][seen.follows].double() - following).square().sum(-1).mean()
    copy, variance = (following - z).square().sum(-1).mean(), seen.frames.double().var(0, correction=0).sum()
    return {"error_to_copy": _ratio(error, copy) ** 0.5, "error_to_variance": _ratio(error, variance)}


def probe(judge: GroundTruth, train: Seen, test: Seen) -> Float[Tensor, " K"]:
    """R^2 of each number of the true state."""
    targets = [torch.from_numpy(judge.targets(_state(judge, seen))) for seen in (train, test)]
    return linear_probes(train.frames.cpu(), targets[0].double(), test.frames.cpu(), targets[1].double())


def neighborhoods(judge: GroundTruth, seen: Seen, seed: int = 0) -> float:
    """`rank_correlation`: whether frames that are near in truth are near in the latent space."""
    state, features = _state(judge, seen), seen.frames.double().cpu().numpy()
    one, other = np.random.default_rng(seed).integers(len(state), size=(2, PAIRS))
    if judge.distance is None:
        targets = judge.targets(state)
        targets = targets / np.maximum(targets.std(0), 1e-12)
        true = np.linalg.norm(targets[one] - targets[other], axis=-1)
    else:
        true = judge.distance(state[one], state[other])
    return rank_correlation(np.linalg.norm(features[one] - features[other], axis=-1), true)


def draw(path: Path, measured: Representation) -> Path:
    """Write a PNG of standard deviation and singular value by dimension, both sorted and on logarithmic axes."""
    panels = {
        "standard deviation of a dimension": measured.std,
        "singular value (of √N)": measured.spectrum,
    }
    figure = figures.new_figure(8.4, 3.6)
    for number, (title, values) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, 2, number)
        ordered = np.maximum(np.sort(values)[::-1], 1e-8)
        axes.plot(range(1, len(ordered) + 1), ordered, marker="o" if len(ordered) <= 60 else None, markersize=4)
        axes.set(title=title, yscale="log", xlabel="largest first", ylim=(ordered.max() * 1e-4, ordered.max() * 2))
        axes.grid(alpha=0.3)
    return figures.save(figure, path)


def sentence(values: dict[str, float]) -> str:
    """The figures for people."""
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
    """A sentence if nothing was learned of how the features move."""
    if not values["error_to_copy"] >= 1:
        return None
    return "Repeating the last features predicts better than this model does: train longer, or look at its alarms."


def judge(env: EnvConfig | None, recorded: Recorded) -> GroundTruth | None:
    """The true state in data from `env`: vectors that were recorded and that the model does not see."""
    ring = recorded.test.ring
    vectors = {name.removeprefix("obs/") for name, x in ring.items() if name.startswith("obs/") and x.ndim == 2}
    return ground_truth(env, sorted(vectors - recorded.spec.obs.keys()))


def _state(judge: GroundTruth, seen: Seen) -> np.ndarray:
    return seen.batch.obs[judge.name].flatten(0, 1).double().cpu().numpy()


def _ratio(part: Tensor, whole: Tensor) -> float:
    return float(part / whole) if whole > 0 else float("nan")
