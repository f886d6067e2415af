"""Detect features that collapse during training: one warning of each kind.

    scale_lost      the mean standard deviation is below 1e-2 of what it was before the first update
    dimension_lost  the least standard deviation is below 1e-2 of the median one
    rank_lost       RankMe (centered, held out) is below a quarter of the dimensions
    scale_grown     the mean standard deviation has grown tenfold within 1000 updates

Growth counts from update 100 on. Before that, healthy features leave their initialization, tenfold and more: a standard
deviation of 0.1 becomes 1.2 with CFM on the rope.

The detector reads logged and evaluated values and takes no part in an update. A checkpoint holds its state, so a
resumed run gives the same warnings.
"""

from collections.abc import Mapping
from typing import Any, Literal

from reverie.types import Metrics

LOST_SCALE, LOST_DIMENSION, LOST_RANK = 1e-2, 1e-2, 0.25
GROWTH, WITHIN, SETTLED = 10.0, 1000, 100

Kind = Literal["scale_lost", "dimension_lost", "rank_lost", "scale_grown"]


class CollapseDetector:
    """`raised`: the warnings so far, by kind."""

    def __init__(self) -> None:
        self.first: Metrics = {}
        """`features/std` of the first update, before its step, until a value may be read from the device."""
        self.start: float | None = None
        """The mean standard deviation of the untrained features."""
        self.scales: list[tuple[int, float]] = []
        """Updates and scale from which growth counts, of the last `WITHIN` updates."""
        self.raised: dict[Kind, str] = {}

    @property
    def message(self) -> str | None:
        """The latest warning, for the display."""
        return f"warning: {list(self.raised.values())[-1]}" if self.raised else None

    def observe_metrics(self, metrics: Metrics) -> None:
        """Keep the scale of the first update as a tensor; reads no value from the device."""
        if self.start is None and not self.first:
            self.first = {name: x for name, x in metrics.items() if name == "features/std"}

    def read(self, updates: int, values: Mapping[str, float], size: int | None = None) -> dict[Kind, str]:
        """Return new warnings by kind, from those of `std`, `std_median`, `std_min` and `rankme` that are given.

        `size` is the number of dimensions that the rank is compared with. The first `std` is that of the start,
        unless `observe_metrics` has an earlier one.
        """
        self._read_first()
        warnings = self._check_scale(updates, values["std"]) if "std" in values else {}
        if "std_min" in values and values["std_min"] < LOST_DIMENSION * values["std_median"]:
            warnings["dimension_lost"] = (
                f"A dimension of the features has died: its standard deviation is {values['std_min']:.2g}, that of "
                f"the median dimension {values['std_median']:.2g}."
            )
        if size and "rankme" in values and values["rankme"] < LOST_RANK * size:
            warnings["rank_lost"] = f"The features lie in few directions: RankMe {values['rankme']:.1f} of {size}."
        new = {kind: text for kind, text in warnings.items() if kind not in self.raised}
        self.raised |= new
        return new

    def state(self) -> dict[str, Any]:
        """Return numbers and strings for a checkpoint."""
        self._read_first()
        return {"start": self.start, "scales": [list(pair) for pair in self.scales], "raised": dict(self.raised)}

    def load_state(self, state: dict[str, Any]) -> None:
        self.start, self.raised = state["start"], dict(state["raised"])
        self.scales = [(at, scale) for at, scale in state["scales"]]

    def _read_first(self) -> None:
        if self.start is None and self.first:
            self.start = float(self.first["features/std"])
        self.first = {}

    def _check_scale(self, updates: int, std: float) -> dict[Kind, str]:
        self.start = std if self.start is None else self.start
        if std < LOST_SCALE * self.start:
            share = f"{std / self.start:.1e} of what it was at the start"
            return {"scale_lost": f"The features have collapsed: their standard deviation is {std:.2g}, {share}."}
        if updates >= SETTLED:
            self.scales = [(at, scale) for at, scale in self.scales if at >= updates - WITHIN] + [(updates, std)]
        at, least = min(self.scales, key=lambda pair: pair[1], default=(updates, std))
        if std <= GROWTH * least:
            return {}
        change = f"from {least:.2g} to {std:.2g} between updates {at} and {updates}"
        return {"scale_grown": f"The features grow tenfold: their standard deviation went {change}."}
