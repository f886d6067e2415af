"""The number of threads follows from measured times, and malloc keeps what an update frees."""

import subprocess
import sys

import pytest
import torch

from reverie.runs.processor import choose_threads

FAULTS = """
import resource, sys, torch
from reverie.runs.processor import keep_memory
torch.set_num_threads(1)
if sys.argv[1] == "keep":
    keep_memory()
def update():
    tensors = [torch.ones(2**20 * 5) for _ in range(3)]
for _ in range(3):
    update()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    update()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.parametrize(
    ("times", "chosen"),
    [
        ({1: 1.0}, 1),
        ({1: 1.0, 2: 0.6}, 2),
        ({1: 1.0, 2: 0.9}, 1),  # a second thread gains little
        ({1: 1.0, 2: 3.0}, 1),  # a busy core
        ({1: 1.0, 2: 0.6, 4: 0.4, 8: 0.39}, 4),
        ({1: 1.0, 2: 0.9, 4: 0.5}, 1),  # each doubling must gain
    ],
)
def test_more_threads_are_taken_while_each_doubling_gains(times, chosen):
    assert choose_threads(max(times), times.__getitem__) == chosen


def test_one_disturbed_measurement_decides_nothing():
    calls = iter([0.6, 0.6, 5.0, 0.6, 0.6])
    assert choose_threads(2, lambda threads: 1.0 if threads == 1 else next(calls)) == 2


def test_one_allowed_thread_needs_no_measurement():
    assert choose_threads(1, lambda threads: pytest.fail("measured")) == 1


def test_measuring_leaves_the_number_of_threads_as_it_was():
    assert choose_threads(2) in (1, 2)
    assert torch.get_num_threads() == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="malloc's options are glibc's")
def test_kept_memory_is_not_fetched_again():
    def page_faults(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert page_faults("keep") <= 0.6 * page_faults("default")
