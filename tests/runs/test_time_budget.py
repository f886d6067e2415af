"""A budget of time ends the training in time and lowers learning rates towards its end; else nothing changes."""

from contextlib import closing
from dataclasses import replace

import pytest
import small_run
import torch
from interruptions import assert_same

import reverie
from reverie.evaluation.returns import evaluate
from reverie.runs import checkpoint, results, time_budget
from reverie.runs.config import read_config
from reverie.runs.online import OnlineRun
from reverie.runs.time_budget import COOLDOWN, TimeBudget, cooldown, in_words


class Clock:
    """Stands for the module `time`: its seconds are set by hand."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(time_budget, "time", made)
    return made


def budgeted(minutes: float | None):
    base = small_run.config()
    return replace(base, training=replace(base.training, minutes=minutes))


@pytest.mark.parametrize(("left", "factor"), [(1.0, 1.0), (0.2, 1.0), (0.1, 0.5), (0.05, 0.25), (0.0, 0.0)])
def test_rates_fall_linearly_to_zero_in_the_last_fifth(left, factor):
    assert cooldown(left, COOLDOWN) == pytest.approx(factor)
    assert cooldown(left, 0.0) == 1.0


def test_a_budget_of_frames_has_a_cooldown_too(tmp_path, uninterrupted):
    base = small_run.config()
    config = replace(base, training=replace(base.training, cooldown=0.5))
    rates = []
    with closing(OnlineRun.create(config, tmp_path / "run")) as run:
        for part in (0.0, 0.5, 0.75, 1.0, 1.5):
            run.clock.frames = int(part * config.training.frames)
            run.cool_down()
            rates.append((run.rate, *(float(optimizer.scale) for optimizer in run.optimizers.values())))
    assert [rate for rate, *_ in rates] == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0], abs=0.02)
    assert all(scale == pytest.approx(rate) for rate, *scales in rates for scale in scales)


def test_time_is_counted_over_processes_and_without_what_is_kept_for_the_end(clock):
    budget = TimeBudget(minutes=10)
    budget.before, clock.now = 200.0, 160.0
    assert (budget.spent, budget.left, budget.rate) == (260.0, 340.0, 1.0)
    budget.keep(evaluating=50.0, saving=2.0)
    assert budget.reserve == pytest.approx(time_budget.AFTERWARDS + 55 + 4)
    budget.keep(evaluating=1e6, saving=0.0)
    assert budget.reserve == 150.0  # a quarter at most
    budget.keep(evaluating=None, saving=0.0)  # a run that goes on has not measured it yet
    assert budget.reserve == 150.0
    clock.now = 100.0 + 200.0 + 5.0  # 405 of 450 seconds: half of the cooldown is over
    assert budget.rate == pytest.approx(0.5)
    clock.now = 1e4
    assert (budget.left, budget.rate, budget.share) == (0.0, 0.0, 1.0)


def test_without_a_budget_there_is_no_end(clock):
    budget = TimeBudget(None)
    budget.keep(evaluating=1e6, saving=1.0)
    clock.now = 1e9
    assert (budget.limited, budget.left, budget.rate, budget.share) == (False, float("inf"), 1.0, 0.0)


def test_a_budget_is_written_as_it_is_typed():
    assert [in_words(minutes) for minutes in (20, 90, 1.5, 60, 0.5)] == ["20m", "1h30m", "1m30s", "1h", "30s"]


@pytest.mark.slow
def test_a_budget_that_is_not_reached_changes_no_bit(folder, uninterrupted):
    reverie.train(budgeted(600.0), folder, evaluate=False)
    assert_same(folder, uninterrupted)


@pytest.mark.slow
def test_a_run_ends_in_time_and_goes_on_with_more(folder, clock, monkeypatch):
    """The clock of the test goes on by a second at each decision of the training."""
    real, rates = OnlineRun.step, []

    def step(run, report):
        clock.now += 1.0
        rates.append(run.time.rate)
        real(run, report)

    monkeypatch.setattr(OnlineRun, "step", step)
    reverie.train(budgeted(80 / 60), folder, evaluate=False)
    state = checkpoint.newest(folder / "checkpoints")
    # A quarter of 80 seconds is the most that is kept for the end; ten seconds at least.
    assert 60 <= state["clock"]["decisions"] <= 70
    assert state["time"]["spent"] == state["clock"]["decisions"]
    assert 0 <= rates[-1] < 0.2
    log = (folder / "metrics.jsonl").read_bytes()
    reverie.resume(folder, evaluate=False)  # its time is spent
    assert (folder / "metrics.jsonl").read_bytes() == log
    until, said = results._time_left(folder, read_config(folder))
    assert until is not None
    assert "The time budget of 1m20s ended the training after" in said[0]
    assert f"`reverie resume {folder} --time-budget 2m40s`" in said[0]
    reverie.resume(folder, overrides={"training.minutes": None}, evaluate=False)
    state = checkpoint.newest(folder / "checkpoints")
    assert state["clock"]["frames"] >= small_run.DECISIONS * small_run.REPEAT
    assert state["time"]["spent"] == state["clock"]["decisions"]
    assert results._time_left(folder, read_config(folder)) == (None, [])


@pytest.mark.slow
def test_an_evaluation_that_is_late_ends_after_its_first_episode(uninterrupted):
    agent = reverie.load(uninterrupted)
    env = read_config(uninterrupted).env
    whole = evaluate(agent, env, 4, seed=3)
    late = evaluate(agent, env, 4, seed=3, until=0.0)
    assert late.returns == whole.returns[:1]
    assert evaluate(agent, env, 4, seed=3, until=float("inf")).returns == whole.returns


def test_a_checkpoint_of_format_2_has_spent_no_time(tmp_path):
    torch.save({"format": 2, "writer": "reverie", "x": 1}, path := tmp_path / "checkpoint-000000000001.pt")
    assert checkpoint.migrated(checkpoint.read(path), path)["time"] == {"spent": 0.0, "reserve": 0.0}
