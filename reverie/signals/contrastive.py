"""Contrastive prediction: classify the true next encoding among others (CPC, van den Oord 2018; CFM, Yan 2020, Eq. 2).

    -ln exp(h(zhat_{t+1}, z_{t+1}) / tau) / sum_{j in positive + negatives} exp(h(zhat_{t+1}, z_j) / tau)

There is no decoder, so predictions cannot be shown as images. No gradient is stopped.

With sequences of two steps and `current` negatives this is the published CFM code. Each prediction is compared with its
target and the current frames of the other sequences: B candidates, and a loss of ln B by chance.

Known failure: the latent can grow without bound. Once each target has the highest similarity, scaling all encodings by
c scales every margin by c^2, and the loss goes to 0. A temperature only shifts where this begins. Watch `features/std`.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reverie.config.checks import at_least, positive
from reverie.errors import UserError
from reverie.math import ranks
from reverie.math.similarities import distance, info_nce, retrieval_accuracy
from reverie.signals.base import SignalConfig
from reverie.signals.multi_step import future_values, masked_mean_per_step, predict_multi_step, valid_targets
from reverie.spaces import EnvSpec
from reverie.types import Metrics, Trace

Negatives = Literal["next", "current", "trajectory"]


@dataclass(frozen=True)
class ContrastiveConfig(SignalConfig):
    """Contrastive prediction of 1..D steps."""

    similarity: Literal["distance", "dot", "bilinear"] = "distance"
    """Similarity h: minus the squared distance, the inner product, or `x^T W y` with a learned W."""
    temperature: float = field(default=1.0, metadata=positive())
    """Temperature tau, which divides the similarity."""
    negatives: tuple[Negatives, ...] = ("next",)
    """The frames that a target is compared with; a frame of two kinds counts once.

    `next`: columns 1..T-1 of the other sequences. `current`: columns 0..T-2 of the other sequences. `trajectory`: all
    other frames of the same episode, the hard negatives."""
    steps: int = field(default=1, metadata=at_least(1))
    """Longest prediction D, in agent steps; each of 1..D steps has a loss."""
    predict: bool = True
    """Whether the forward model is trained. Else the similarity is `h(z_t, z_{t+d})`, which trains the encoder alone,
    and another run can start from it (`--start`)."""
    symmetric: bool = False
    """Whether each frame also classifies its own prediction, as in CLIP (Radford 2021, Fig. 3).

    A planner asks which prediction leads to a goal. The published direction does not train this: in
    `-||zhat - z_j||^2` the term `||zhat||^2` is the same for all frames j and cancels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.negatives:
            raise UserError("contrastive.negatives is empty: name at least one of next, current, trajectory.")

    def build(self, spec: EnvSpec, feature_size: int) -> "Contrastive":
        return Contrastive(self, feature_size)


class Contrastive(nn.Module):
    """InfoNCE in nats, in the column of the target; only `bilinear` has parameters, a matrix (F, F).

    Every prediction is compared with every frame of the batch: P = B T D predictions, N = B T frames.
    """

    def __init__(self, config: ContrastiveConfig, feature_size: int) -> None:
        super().__init__()
        self.config = config
        if config.similarity == "bilinear":
            self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(feature_size, feature_size)))

    def similarity(self, x: Float[Tensor, "*b M F"], y: Float[Tensor, "*b N F"]) -> Float[Tensor, "*b M N"]:
        """Return `h(x_i, y_j) / temperature` for predictions x and encodings y."""
        if self.config.similarity == "distance":
            similarity = distance(x, y)
        else:  # x_i^T y_j, or x_i^T W y_j (van den Oord 2018, Eq. 3)
            similarity = (x @ self.weight if self.config.similarity == "bilinear" else x) @ y.mT
        return similarity / self.config.temperature

    def _compare(self, trace: Trace) -> tuple[Float[Tensor, "P N"], Int[Tensor, " P"], Bool[Tensor, "P N"]]:
        """Return each prediction's similarity to all frames, the index of its target, and the mask of its negatives.

        They are those of the whole batch, on every rank of a run.
        """
        features, is_first = ranks.gather(trace.features), ranks.gather(trace.batch.is_first)
        batch, length = features.shape[:2]
        if batch == 1 and "trajectory" not in self.config.negatives:
            raise UserError(
                "A batch of one sequence has nothing to contrast with: take a larger batch, or negatives `trajectory`."
            )
        steps = self.config.steps
        if self.config.predict:
            query = ranks.gather(predict_multi_step(trace, steps).features)
        else:
            query = features[:, :, None].expand(-1, -1, steps, -1)
        similarity = self.similarity(query.flatten(0, 2), features.flatten(0, 1))
        frames = torch.arange(batch * length, device=similarity.device).unflatten(0, (batch, length))
        negatives = negative_mask(is_first, steps, self.config.negatives)
        return similarity, future_values(frames, steps).flatten(), negatives.flatten(3, 4).flatten(0, 2)

    def _mean(self, trace: Trace, values: Float[Tensor, " P"]) -> Float[Tensor, "B T"]:
        valid = valid_targets(ranks.gather(trace.batch.is_first), self.config.steps)
        return ranks.own(masked_mean_per_step(values.unflatten(0, valid.shape), valid))

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        similarity, positive, negatives = self._compare(trace)
        loss = info_nce(similarity, positive, negatives)
        if self.config.symmetric:
            valid = valid_targets(ranks.gather(trace.batch.is_first), self.config.steps).flatten()
            loss = (loss + reverse_info_nce(similarity, positive, negatives & valid[:, None])) / 2
        return self._mean(trace, loss)

    def metrics(self, trace: Trace) -> Metrics:
        """Return the means over predictions of three measures; N, the number of candidates, may differ among them.

        `bound`: a lower bound on the mutual information of prediction and target, `ln N - loss`. It is at most `cap`,
        ln N (van den Oord 2018, Eq. 5). `accuracy`: how often the target has the highest similarity.
        """
        similarity, positive, negatives = self._compare(trace)
        cap = (1 + negatives.sum(1)).to(similarity.dtype).log()
        values = {
            "bound": cap - info_nce(similarity, positive, negatives),
            "cap": cap,
            "accuracy": retrieval_accuracy(similarity, positive, negatives),
        }
        return {name: self._mean(trace, value).mean() for name, value in values.items()}


def reverse_info_nce(
    similarity: Float[Tensor, "P N"], positive: Int[Tensor, " P"], negatives: Bool[Tensor, "P N"]
) -> Float[Tensor, " P"]:
    """Return InfoNCE in the other direction: each target classifies its prediction among those that contrast it."""
    own = torch.arange(len(positive), device=positive.device)
    return info_nce(similarity.T[positive], own, negatives.T[positive])


def negative_mask(is_first: Bool[Tensor, "B T"], steps: int, kinds: tuple[Negatives, ...]) -> Bool[Tensor, "B T D B T"]:
    """Return which frames [b', t'] are negatives of the prediction [b, t, d - 1] of column t + d."""
    batch, length = is_first.shape
    column = torch.arange(length, device=is_first.device)
    same_sequence = torch.eye(batch, dtype=torch.bool, device=is_first.device)[:, None, None, :, None]
    of_others = (column >= 1) & ("next" in kinds) | (column <= length - 2) & ("current" in kinds)
    mask = (~same_sequence & of_others).expand(batch, length, steps, batch, length)
    if "trajectory" not in kinds:
        return mask
    episode = is_first.cumsum(1)
    of_own = (episode[:, :, None] == episode[:, None]) & (column[:, None] != column)  # by the column predicted
    return mask | same_sequence & future_values(of_own, steps)[:, :, :, None]
