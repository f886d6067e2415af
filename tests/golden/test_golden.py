"""Every recipe at size tiny computes the numbers that are on record: metrics, evaluation, weights, random generators.

On the processor and package versions of the record they are the same bit for bit. On others the first metrics agree
closely, and no more can be asked.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest
import record
from processes import one_process

RECORDED = json.loads(record.FILE.read_text())
CLOSE = 1e-3
"""Relative difference of the first logged metrics on another processor or with other package versions."""


def numbers(metrics: list[dict]) -> dict[str, float]:
    """The first line of training metrics."""
    line = next(line for line in metrics if line["kind"] in ("train", "evaluation"))
    return {name: x for name, x in line.items() if isinstance(x, float)}


@pytest.fixture(scope="module")
def portable() -> Iterator[ProcessPoolExecutor]:
    """A process with the portable instructions, in which all cases are trained."""
    with one_process(**record.PORTABLE) as process:
        yield process


@pytest.mark.slow
@pytest.mark.parametrize("case", record.CASES)
def test_the_numbers_of_record(case, portable, tmp_path):
    result, expected = portable.submit(record.record, case, tmp_path / case).result(), RECORDED["cases"][case]
    if record.machine() == RECORDED["machine"]:
        # Through JSON, as the record: a tuple has become a list there.
        assert json.loads(json.dumps(result)) == expected
    else:
        first, wanted = numbers(result["metrics"]), numbers(expected["metrics"])
        assert first == pytest.approx(wanted, rel=CLOSE, abs=1e-6)


def test_a_changed_bit_changes_the_checksum():
    import torch

    weights = {"a": torch.zeros(3), "b": [torch.ones(2, 2)]}
    same = {"other": [torch.ones(2, 2)], "name": torch.zeros(3)}
    assert record.checksum(weights) == record.checksum(same)
    same["name"][1] = 1e-30
    assert record.checksum(weights) != record.checksum(same)
