"""Do recorded data keep the contract of `reverie.data.base.Recorded`?"""

import tempfile
from pathlib import Path
from typing import Any

import torch

from reverie.testing.complaints import complaints, identical, require, seeded
from reverie.types import Batch

BATCH = 4


def check_data(config: Any, length: int = 1, seed: int = 0) -> list[str]:
    """Load the data twice and return what is wrong with them; empty if nothing is.

    `length`: steps of the sequences that are sampled, no longer than the held-out part. Works in a temporary folder.
    """
    with tempfile.TemporaryDirectory() as name:

        def build() -> tuple[Any, Any, int]:
            pair = [config.build(Path(name), seed, torch.device("cpu"), seeded(seed)) for _ in range(2)]
            for recorded in pair:
                recorded.load(lambda text: None)
            return pair[0], pair[1], length

        return complaints(build, PROMISES)


def batches_match_the_spec(case: tuple[Any, Any, int]) -> None:
    recorded, _, length = case
    for name in ("train", "test"):
        batch = getattr(recorded, name).sample(BATCH, length)
        _require_columns(batch, recorded.spec, name, length)


def _require_columns(batch: Batch, spec: Any, part: str, length: int) -> None:
    for name, space in spec.obs.items():
        require(name in batch.obs, f"The part `{part}` lacks the observation `{name}` of the spec.")
        column = batch.obs[name]
        require(column.shape == (BATCH, length, *space.shape), f"`{name}` of `{part}` has another shape than the spec.")
        require(str(column.dtype) == f"torch.{space.dtype}", f"`{name}` of `{part}` has another type than the spec.")
        require(column.float().isfinite().all(), f"`{name}` of `{part}` has numbers that are not finite.")
    require(batch.action.shape[-1] == spec.action.size, f"Actions of `{part}` have another size than the spec.")
    require(batch.action.abs().le(1).all(), f"Actions of `{part}` must lie in [-1, 1].")
    require(batch.reward.isfinite().all(), f"Rewards of `{part}` must be finite.")
    require((batch.is_last | ~batch.is_terminal).all(), f"A terminal step of `{part}` must be the last of its episode.")


def loads_the_same_bits(case: tuple[Any, Any, int]) -> None:
    first, again, length = case
    for name in ("train", "test"):
        one, other = (getattr(recorded, name).sequential(length, 64) for recorded in (first, again))
        require(identical(one, other), f"`load` must bring the same bits each time; `{name}` differs.")


def held_out_is_apart(case: tuple[Any, Any, int]) -> None:
    recorded, _, length = case
    train, test = (getattr(recorded, name).sequential(length, 512) for name in ("train", "test"))
    rows, held_out = (
        torch.cat([x.flatten(1).double() for x in (*batch.obs.values(), batch.action)], 1).tolist()
        for batch in (train, test)
    )
    trained = {tuple(row) for row in rows}
    shared = sum(tuple(row) in trained for row in held_out)
    require(shared < len(held_out) / 2, "Most held-out sequences are also in the part `train`: they test nothing.")


PROMISES = (batches_match_the_spec, loads_the_same_bits, held_out_is_apart)
