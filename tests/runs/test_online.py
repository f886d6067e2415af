"""When an online run learns: a function of its clocks alone."""

from contextlib import closing
from dataclasses import replace

import pytest
import small_run

import reverie
from reverie.errors import UserError
from reverie.runs import online
from reverie.runs.base import Reporter
from reverie.runs.clocks import Clock
from reverie.runs.config import check_consistent
from reverie.runs.interrupt import StopRequest
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


def published_clock(steps: list[int], ratio: float) -> list[int]:
    """The published rule: one update at the first call, then as many as fit, with the remainder kept."""
    previous, found = steps[0], [1]
    for step in steps[1:]:
        count = int((step - previous) * ratio)
        previous += count / ratio
        found.append(found[-1] + count)
    return found


@pytest.mark.parametrize(("ratio", "batch", "length"), [(512, 16, 64), (1024, 16, 64), (32, 16, 64), (2048, 16, 64)])
def test_a_train_ratio_is_the_published_clock(ratio, batch, length):
    """Also where 16 environments make 16 decisions at once."""
    run = object.__new__(OnlineRun)
    run.config = small_run.config(pretrain=1, ratio=float(ratio), batch=batch, length=length)
    run.learning_since, steps = 1000, list(range(1000, 3000, 16))
    due = []
    for step in steps:
        run.clock = Clock(decisions=step, updates=0)
        due.append(run.updates_due())
    assert due == published_clock(steps, ratio / batch / length)


def test_learning_begins_when_enough_sequences_can_be_drawn(tmp_path):
    """Episodes of 16 columns. 20 sequences of 8 columns with one before them need 28, which two episodes have."""
    third = reverie.recipe("dreamer_v3", "tiny")
    base = small_run.config(prefill=0, starts=20, ratio=8.0, length=8)
    config = replace(base, replay=third.replay, evaluation=replace(base.evaluation, every=0))
    run, sizes = OnlineRun.create(config, tmp_path / "run"), []
    with closing(run):
        report = Reporter(run, [], StopRequest())
        while run.learning_since < 0:
            assert run.updates_due() == 0
            assert "the first episodes" in run.message()
            run.step(report)
            sizes.append(len(run.replay))
        assert sizes[-1] >= 28
        assert max(size for size in sizes[:-1]) < 28
        assert run.updates_due() == 0
        batch, _ = run.next_batch()
        assert batch.context.columns.shape == (config.training.batch, 8)
    with pytest.raises(UserError, match=r"--training\.starts 20000 sequences"):
        check_consistent(replace(config, training=replace(config.training, starts=20_000)))


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
