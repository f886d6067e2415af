"""The contracts of planning: a planner knows no model, an objective knows no planner. Scores are maximised.

An actor that plans joins the two: its score of candidates is the objective of the states that
`rollout.imagine` gives for them; its memory is the last plan, for a warm start.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from jaxtyping import Float
from torch import Tensor

from reverie.types import Plan

S = TypeVar("S", contravariant=True)

Score = Callable[[Float[Tensor, "B N H A"]], Float[Tensor, "B N"]]
"""Candidate action sequences in [-1, 1] to how good each is, for B independent problems."""


class Planner(Protocol):
    """Refines a distribution over action sequences; a deterministic function of its noise."""

    def __call__(self, score: Score, start: Plan, noise: Any) -> Plan:
        """The refined plan, leading axis B as `start` has it."""
        ...


class Objective(Protocol[S]):
    """Predicted reward, reward and value, or similarity to a goal, summed over the horizon."""

    def __call__(self, states: S, actions: Float[Tensor, "*b H A"]) -> Float[Tensor, "*b"]:
        """How good each imagined trajectory is; `states` have leading axes (*b, H)."""
        ...
