"""Check recorded data against the contract of `reverie.data.base.Recorded`."""

import tempfile
from pathlib import Path
from typing import Any

import torch

from reverie.data.base import Recorded
from reverie.testing.contract import identical, require, seeded, violations
from reverie.types import Batch

BATCH = 4


def check_data(config: Any, length: int = 1, seed: int = 0) -> list[str]:
    """Load the data twice, in a temporary folder; return a sentence for each violation.

    `length`: steps of the sequences that are sampled, no longer than the held-out part.
    """
    with tempfile.TemporaryDirectory() as folder:
        return violations(DataContract, config, length, seed, Path(folder))


class DataContract:
    """The same data, loaded twice."""

    def __init__(self, config: Any, length: int, seed: int, folder: Path) -> None:
        self._length = length
        pair: list[Recorded] = [config.build(folder, seed, torch.device("cpu"), seeded(seed)) for _ in range(2)]
        for recorded in pair:
            recorded.load(lambda text: None)
        self._recorded, self._again = pair

    def batches_match_the_spec(self) -> None:
        self._require_columns(self._recorded.train.sample(BATCH, self._length), "train")
        self._require_columns(self._recorded.test.sample(BATCH, self._length), "test")

    def _require_columns(self, batch: Batch, part: str) -> None:
        spec = self._recorded.spec
        for name, space in spec.obs.items():
            require(name in batch.obs, f"The part `{part}` lacks the observation `{name}` of the spec.")
            x, shape = batch.obs[name], (BATCH, self._length, *space.shape)
            require(x.shape == shape, f"`{name}` of `{part}` has another shape than the spec.")
            require(str(x.dtype) == f"torch.{space.dtype}", f"`{name}` of `{part}` has another type than the spec.")
            require(x.float().isfinite().all(), f"`{name}` of `{part}` must be finite.")
        require(batch.action.shape[-1] == spec.action.size, f"Actions of `{part}` have another size than the spec.")
        require(batch.action.abs().le(1).all(), f"Actions of `{part}` must lie in [-1, 1].")
        require(batch.reward.isfinite().all(), f"Rewards of `{part}` must be finite.")
        last = (batch.is_last | ~batch.is_terminal).all()
        require(last, f"A terminal step of `{part}` must be the last of its episode.")

    def load_is_deterministic(self) -> None:
        for name in ("train", "test"):
            one, other = (getattr(data, name).sequential(self._length, 64) for data in (self._recorded, self._again))
            require(identical(one, other), f"`load` must give the same bits each time; `{name}` differs.")

    def held_out_sequences_are_new(self) -> None:
        train, test = (data.sequential(self._length, 512) for data in (self._recorded.train, self._recorded.test))
        known = set(_rows(train))
        shared = [row in known for row in _rows(test)]
        require(sum(shared) < len(shared) / 2, "Most held-out sequences are also in the part `train`.")


def _rows(batch: Batch) -> list[tuple[float, ...]]:
    columns = [x.flatten(1).double() for x in (*batch.obs.values(), batch.action)]
    return [tuple(row) for row in torch.cat(columns, 1).tolist()]
