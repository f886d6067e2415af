"""When an online run learns: a function of its clocks alone."""

from dataclasses import replace

import pytest
import small_run

from reverie.runs import online
from reverie.runs.base import Reporter
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


def test_each_run_and_time_has_its_own_evaluation_episodes(monkeypatch):
    """Intervals over seeds would come out too narrow if all runs were evaluated on the same episodes."""
    seeds = []
    monkeypatch.setattr(online, "evaluate", lambda agent, env, count, seed, **_: seeds.append(seed) or stop())

    class Stopped(Exception):
        pass

    def stop():
        raise Stopped

    for seed in (0, 1):
        for frames in (100, 200):
            run = object.__new__(online.OnlineRun)
            run.config = replace(small_run.config(), seed=seed)
            run.clock, run.agent = Clock(frames=frames), None
            with pytest.raises(Stopped):
                run.evaluate(object.__new__(Reporter))
    assert len(set(seeds)) == 4
