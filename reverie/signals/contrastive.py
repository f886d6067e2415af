"""Contrastive prediction: classify the true next encoding among others (CPC, van den Oord 2018; CFM, Yan 2020, Eq. 2).

    -ln exp(h(zhat_{t+1}, z_{t+1}) / tau) / sum_{j in positive + negatives} exp(h(zhat_{t+1}, z_j) / tau)

Nothing is decoded, so predictions cannot be shown as images. No gradient is stopped.

With sequences of two steps and `current` negatives this is the published CFM code. Each prediction is compared with its
target and the current frames of the other sequences: B candidates, and a loss of ln B by chance.

Known failure: the latent can grow without bound. Once each target has the highest similarity, scaling all encodings by
c scales every margin by c^2, and the loss goes to 0. A temperature only shifts where this begins. Watch `features/std`.

`symmetric` adds the reverse classification, as in CLIP (Radford 2021, Fig. 3): which prediction leads to this frame?
A planner asks this question with the goal as the frame. The published direction does not train it, because in
`-||zhat - z_j||^2` the term `||zhat||^2` is the same for all frames j and cancels.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reverie.config.checks import at_least, positive
from reverie.errors import UserError
from reverie.math.similarities import distance, info_nce, retrieval_accuracy
from reverie.signals.base import SignalConfig
from reverie.signals.multi_step import MultiStep, future_values, masked_mean_per_step, predict_multi_step
from reverie.spaces import EnvSpec
from reverie.types import Metrics, Trace

Negatives = Literal["next", "current", "trajectory"]


@dataclass(frozen=True)
class ContrastiveConfig(SignalConfig):
    """`similarity` h over `temperature`, predictions of 1..`steps` steps, and the kinds of negatives.

    `next`: columns 1..T-1 of the other sequences. `current`: columns 0..T-2 of the other sequences. `trajectory`: all
    other frames of the same episode, the hard negatives. A frame of two kinds counts once.
    """

    similarity: Literal["distance", "dot", "bilinear"] = "distance"
    temperature: float = field(default=1.0, metadata=positive())
    negatives: tuple[Negatives, ...] = ("next",)
    steps: int = field(default=1, metadata=at_least(1))
    predict: bool = True
    """Whether the forward model is trained. Else the similarity is `h(z_t, z_{t+d})`, which trains the encoder alone,
    and another run can start from it (`--start`)."""
    symmetric: bool = False
    """Whether each frame also classifies its own prediction, among those that have it as a negative."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.negatives:
            raise UserError("contrastive.negatives is empty: name at least one of next, current, trajectory.")

    def build(self, spec: EnvSpec, feature_size: int) -> "Contrastive":
        return Contrastive(self, feature_size)


class Contrastive(nn.Module):
    """InfoNCE in nats, in the column of the target; only `bilinear` has parameters, a matrix (F, F).

    Every prediction is compared with every frame of the batch: B T D x B T similarities.
    """

    def __init__(self, config: ContrastiveConfig, feature_size: int) -> None:
        super().__init__()
        self.config = config
        if config.similarity == "bilinear":
            self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(feature_size, feature_size)))

    def similarity(self, x: Float[Tensor, "*b M F"], y: Float[Tensor, "*b N F"]) -> Float[Tensor, "*b M N"]:
        """`h(x_i, y_j) / temperature`: predictions x against encodings y."""
        if self.config.similarity == "distance":
            similarity = distance(x, y)
        else:  # x_i^T y_j, or x_i^T W y_j (van den Oord 2018, Eq. 3)
            similarity = (x @ self.weight if self.config.similarity == "bilinear" else x) @ y.mT
        return similarity / self.config.temperature

    def _compare(self, trace: Trace) -> tuple[MultiStep, Tensor, Tensor, Tensor]:
        """Predictions, their similarity to all frames (BTD, BT), target index (BTD,), mask of negatives (BTD, BT)."""
        batch, length = trace.features.shape[:2]
        if batch == 1 and "trajectory" not in self.config.negatives:
            raise UserError(
                "A batch of one sequence has nothing to contrast with: take a larger batch, or negatives `trajectory`."
            )
        predictions = predict_multi_step(trace, self.config.steps)
        query = predictions.features
        if not self.config.predict:
            query = trace.features[:, :, None].expand_as(query)
        similarity = self.similarity(query.flatten(0, 2), trace.features.flatten(0, 1))
        frames = torch.arange(batch * length, device=similarity.device).unflatten(0, (batch, length))
        positive = future_values(frames, self.config.steps).flatten()
        mask = negative_mask(trace.batch.is_first, self.config.steps, self.config.negatives)
        return predictions, similarity, positive, mask.flatten(3, 4).flatten(0, 2)

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        predictions, similarity, positive, negatives = self._compare(trace)
        loss = info_nce(similarity, positive, negatives)
        if self.config.symmetric:
            valid = predictions.valid.flatten()[:, None]
            loss = (loss + reverse_info_nce(similarity, positive, negatives & valid)) / 2
        return masked_mean_per_step(loss.unflatten(0, predictions.valid.shape), predictions.valid)

    def metrics(self, trace: Trace) -> Metrics:
        """`bound`: a lower bound on the mutual information of prediction and target, `ln N - L` with N candidates.

        It is at most `cap`, ln N (van den Oord 2018, Eq. 5). Both are means over predictions, whose N may differ.
        `accuracy`: how often the target has the highest similarity.
        """
        predictions, similarity, positive, negatives = self._compare(trace)
        cap = (1 + negatives.sum(1)).to(similarity.dtype).log()
        values = {
            "bound": cap - info_nce(similarity, positive, negatives),
            "cap": cap,
            "accuracy": retrieval_accuracy(similarity, positive, negatives),
        }
        return {
            name: masked_mean_per_step(value.unflatten(0, predictions.valid.shape), predictions.valid).mean()
            for name, value in values.items()
        }


def reverse_info_nce(
    similarity: Float[Tensor, "P N"], positive: Int[Tensor, " P"], negatives: Bool[Tensor, "P N"]
) -> Float[Tensor, " P"]:
    """InfoNCE in the other direction: each target frame classifies its prediction among those that contrast it."""
    own = torch.arange(len(positive), device=positive.device)
    return info_nce(similarity.T[positive], own, negatives.T[positive])


def negative_mask(is_first: Bool[Tensor, "B T"], steps: int, kinds: tuple[Negatives, ...]) -> Bool[Tensor, "B T D B T"]:
    """Which frames [b', t'] are negatives of the prediction [b, t, d - 1] of column t + d."""
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
