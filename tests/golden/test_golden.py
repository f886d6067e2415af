"""Every recipe at size tiny computes the numbers that are on record: metrics, evaluation, weights, random generators.

On the processor and package versions of the record they are the same bit for bit. On others the first metrics agree
closely, and no more can be asked.
"""

import json
import os
import subprocess
import sys

import pytest
import record

RECORDED = json.loads(record.FILE.read_text())
CLOSE = 1e-3
"""Relative difference of the first logged metrics on another processor or with other package versions."""


def numbers(metrics: list[dict]) -> dict[str, float]:
    """The first line of training metrics."""
    line = next(line for line in metrics if line["kind"] in ("train", "evaluation"))
    return {name: x for name, x in line.items() if isinstance(x, float)}


@pytest.mark.slow
@pytest.mark.parametrize("case", record.CASES)
def test_the_numbers_of_record(case, tmp_path):
    out = tmp_path / "numbers.json"
    subprocess.run(
        [sys.executable, record.__file__, str(out), case],
        env=os.environ | record.PORTABLE | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    result, expected = json.loads(out.read_text()), RECORDED["cases"][case]
    if result["machine"] == RECORDED["machine"]:
        assert result["cases"][case] == expected
    else:
        first, wanted = numbers(result["cases"][case]["metrics"]), numbers(expected["metrics"])
        assert first == pytest.approx(wanted, rel=CLOSE, abs=1e-6)


def test_a_changed_bit_changes_the_checksum():
    import torch

    weights = {"a": torch.zeros(3), "b": [torch.ones(2, 2)]}
    same = {"other": [torch.ones(2, 2)], "name": torch.zeros(3)}
    assert record.checksum(weights) == record.checksum(same)
    same["name"][1] = 1e-30
    assert record.checksum(weights) != record.checksum(same)
