"""Contrastive prediction: tell what followed from other observations (CPC, van den Oord 2018; CFM, Yan 2020, Eq. 2).

    -ln exp(h(zhat_{t+1}, z_{t+1}) / tau) / sum_{j in positive + negatives} exp(h(zhat_{t+1}, z_j) / tau)

Nothing is decoded, so the model cannot draw the future; it is unrolled by ranking possibilities. No gradient is
stopped.

With sequences of two steps and `current` negatives this is the published CFM code: each prediction against its target
and the current frames of the rest of the batch. B sequences give B candidates and, by chance, a loss of ln B.

Known failure: no similarity here has a scale of its own. Once right frames are the most alike, stretching all encodings
by c multiplies every margin by c^2, so the loss falls to 0 while the latent grows without bound. A temperature sets the
scale where this begins, it does not end it; watch `features/std`.

`symmetric` asks the reverse too, as CLIP does (Radford 2021, Fig. 3): which of the predictions leads to this frame?
That is what a planner asks, with the goal for the frame. The published direction alone does not teach it: in
`-||zhat - z_j||^2` the term `||zhat||^2` is common to all frames j and cancels.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reverie.errors import UserError
from reverie.math.similarities import bilinear, distance, dot, info_nce, retrieval_accuracy
from reverie.signals.multi_step import MultiStep, check_steps, future_values, masked_mean_per_step, predict_multi_step
from reverie.spaces import EnvSpec
from reverie.types import Metrics, Trace

Negatives = Literal["next", "current", "trajectory"]


@dataclass(frozen=True)
class ContrastiveConfig:
    """`similarity` h over `temperature`; predictions of 1..`steps` decisions; whom the right frame is told from.

    `next`: frames of the other sequences that follow some frame (columns 1..T-1). `current`: frames of the other
    sequences that some frame follows (columns 0..T-2). `trajectory`: all other frames of the same episode, the hard
    ones. A frame that is of two kinds counts once.
    """

    similarity: Literal["distance", "dot", "bilinear"] = "distance"
    temperature: float = 1.0
    negatives: tuple[Negatives, ...] = ("next",)
    steps: int = 1
    predict: bool = True
    """Whether the forward model is learned; else encodings themselves are told from others by what comes before them,
    `h(z_t, z_{t+d})`: an encoder alone, with which another run can begin (`--start`)."""
    symmetric: bool = False
    """Whether each frame is also told from which prediction it came, among those that were told from it."""

    def __post_init__(self) -> None:
        check_steps("contrastive", self.steps)
        if self.temperature <= 0:
            raise UserError(f"contrastive.temperature is {self.temperature}: it must be positive.")
        if not self.negatives:
            raise UserError("contrastive.negatives is empty: name at least one of next, current, trajectory.")

    def build(self, spec: EnvSpec, feature_size: int) -> "Contrastive":
        return Contrastive(self, feature_size)


class Contrastive(nn.Module):
    """InfoNCE in nats, in the column of the right frame; `bilinear` owns a matrix, the others nothing.

    Every prediction is compared with every frame of the batch: B T D x B T similarities.
    """

    def __init__(self, config: ContrastiveConfig, feature_size: int) -> None:
        super().__init__()
        self.config = config
        if config.similarity == "bilinear":
            self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(feature_size, feature_size)))

    def similarity(self, x: Float[Tensor, "*b M F"], y: Float[Tensor, "*b N F"]) -> Float[Tensor, "*b M N"]:
        """`h(x_i, y_j) / temperature`: predictions x against encodings y."""
        if self.config.similarity == "bilinear":
            found = bilinear(x, y, self.weight)
        else:
            found = {"distance": distance, "dot": dot}[self.config.similarity](x, y)
        return found / self.config.temperature

    def _compare(self, trace: Trace) -> tuple[MultiStep, Tensor, Tensor, Tensor]:
        """Predictions, their similarity to all frames (BTD, BT), the right frame of each (BTD), negatives (BTD, BT)."""
        batch, length = trace.features.shape[:2]
        if batch == 1 and "trajectory" not in self.config.negatives:
            raise UserError(
                "A batch of one sequence has nothing to contrast with: take a larger batch, or negatives `trajectory`."
            )
        predictions = predict_multi_step(trace, self.config.steps)
        known = (
            predictions.features if self.config.predict else trace.features[:, :, None].expand_as(predictions.features)
        )
        similarity = self.similarity(known.flatten(0, 2), trace.features.flatten(0, 1))
        frames = torch.arange(batch * length, device=similarity.device).unflatten(0, (batch, length))
        positive = future_values(frames, self.config.steps).flatten()
        found = negative_mask(trace.batch.is_first, self.config.steps, self.config.negatives)
        return predictions, similarity, positive, found.flatten(3, 4).flatten(0, 2)

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        predictions, similarity, positive, found = self._compare(trace)
        loss = info_nce(similarity, positive, found)
        if self.config.symmetric:
            loss = (loss + reverse_info_nce(similarity, positive, found & predictions.valid.flatten()[:, None])) / 2
        return masked_mean_per_step(loss.unflatten(0, predictions.valid.shape), predictions.valid)

    def metrics(self, trace: Trace) -> Metrics:
        """`bound`: nats that a prediction is known to tell of its target, `ln N - L` with N its candidates.

        It cannot exceed `cap`, ln N (van den Oord 2018, Eq. 5); both are means over predictions, whose N may differ.
        `accuracy`: how often the right frame is the most alike.
        """
        predictions, similarity, positive, found = self._compare(trace)
        cap = (1 + found.sum(1)).to(similarity.dtype).log()
        measured = {
            "bound": cap - info_nce(similarity, positive, found),
            "cap": cap,
            "accuracy": retrieval_accuracy(similarity, positive, found),
        }
        return {
            name: masked_mean_per_step(value.unflatten(0, predictions.valid.shape), predictions.valid).mean()
            for name, value in measured.items()
        }


def reverse_info_nce(
    similarity: Float[Tensor, "P N"], positive: Int[Tensor, " P"], found: Bool[Tensor, "P N"]
) -> Float[Tensor, " P"]:
    """InfoNCE the other way round: each prediction's right frame, among the predictions that were told from it."""
    own = torch.arange(len(positive), device=positive.device)
    return info_nce(similarity.T[positive], own, found.T[positive])


def negative_mask(is_first: Bool[Tensor, "B T"], steps: int, kinds: tuple[Negatives, ...]) -> Bool[Tensor, "B T D B T"]:
    """Which frames [b', t'] the prediction [b, t, d - 1] of column t + d is told from."""
    batch, length = is_first.shape
    column = torch.arange(length, device=is_first.device)
    same_sequence = torch.eye(batch, dtype=torch.bool, device=is_first.device)[:, None, None, :, None]
    of_others = (column >= 1) & ("next" in kinds) | (column <= length - 2) & ("current" in kinds)
    found = (~same_sequence & of_others).expand(batch, length, steps, batch, length)
    if "trajectory" not in kinds:
        return found
    episode = is_first.cumsum(1)
    of_own = (episode[:, :, None] == episode[:, None]) & (column[:, None] != column)  # by the column predicted
    return found | same_sequence & future_values(of_own, steps)[:, :, :, None]
