"""When an online run learns: a function of its clocks alone."""

import pytest
import small_run

from reverie.runs.clocks import Clock
from reverie.runs.online import OnlineRun


@pytest.mark.parametrize(
    ("since", "decisions", "pretrain", "updates", "due"),
    [
        (-1, 500, 10, 0, 0),  # prefill
        (60, 60, 10, 0, 10),  # right after it
        (60, 69, 10, 10, 0),  # a round is not over
        (60, 70, 10, 10, 2),
        (60, 70, 10, 11, 1),  # resumed within a round
        (60, 95, 0, 0, 6),
    ],
)
def test_updates_due(since, decisions, pretrain, updates, due):
    run = object.__new__(OnlineRun)
    run.config = small_run.config(pretrain=pretrain)
    run.learning_since, run.clock = since, Clock(decisions=decisions, updates=updates)
    assert run.updates_due() == due
