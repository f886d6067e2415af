"""Playing while updates are computed: one update late, and still a function of the clocks."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import small_run
import torch
from interruptions import Killed, assert_same, kill_at_rename, result

import reverie
from reverie.agents.agent import Agent
from reverie.runs import checkpoint
from reverie.runs.config import OnlineConfig
from reverie.runs.logger import read_metrics
from reverie.runs.loop import Session, open_session
from reverie.runs.online import OnlineRun

pytestmark = pytest.mark.slow


def overlapped(**training) -> OnlineConfig:
    return small_run.config(overlap=True, **training)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return reverie.train(overlapped(), tmp_path_factory.mktemp("overlapped") / "run", evaluate=False)


def test_an_action_is_chosen_before_the_updates_of_its_moment(folder, monkeypatch):
    seen, act = [], Agent.act

    def watched(agent, carry, obs, is_first=None, noise=None):
        if noise is not None and noise.exploration is not None:
            seen.append((run.clock.decisions, run.clock.updates, run.updates_due()))
        return act(agent, carry, obs, is_first, noise)

    monkeypatch.setattr(Agent, "act", watched)
    run = OnlineRun.create(overlapped(), folder)
    with open_session(run, False, ()) as session:
        for batch, noise in session.batches():
            session.record(batch, run.update(batch, noise))
    rounds = [(decisions, updates) for decisions, updates, due in seen if due]
    first, *_ = rounds
    assert all(due in (0, small_run.UPDATES) for _, _, due in seen)
    assert rounds[1] == (first[0] + small_run.ROUND, first[1] + small_run.UPDATES)


def test_it_makes_as_many_updates_and_computes_something_else(undisturbed, uninterrupted):
    states = [checkpoint.newest(folder / "checkpoints") for folder in (undisturbed, uninterrupted)]
    assert states[0]["clock"]["updates"] == states[1]["clock"]["updates"] > 0
    assert result(undisturbed)[1] != result(uninterrupted)[1]


@pytest.mark.parametrize("every_update", [False, True])
def test_a_killed_run_ends_as_the_undisturbed_one(folder, undisturbed, every_update, monkeypatch):
    """Also where a checkpoint lies between two updates of a round, while a decision waits."""
    if every_update:
        monkeypatch.setattr(Session, "save_if_overdue", lambda session: session.save() if session.run.sent else None)
    updates = []
    for number in (15, 4, 6, 3):
        go_on = partial(reverie.resume, folder) if updates else partial(reverie.train, overlapped(), folder)
        with kill_at_rename(number, after=True), pytest.raises(Killed):
            go_on(evaluate=False)
        state = checkpoint.newest(folder / "checkpoints")
        updates.append(state["clock"]["updates"])
        assert state["decision"] is not None
    assert any(count % small_run.UPDATES for count in updates) == every_update
    reverie.resume(folder, evaluate=False)
    assert_same(folder, undisturbed)


def test_processes_of_environments_change_nothing(folder, undisturbed):
    config = overlapped()
    reverie.train(replace(config, env=replace(config.env, workers=True)), folder, evaluate=False)
    assert_same(folder, undisturbed)


def test_a_larger_budget_goes_on_as_if_it_had_been_so(folder, undisturbed):
    reverie.train(overlapped(frames=160), folder, evaluate=False)
    reverie.resume(folder, frames=240, evaluate=False)
    episodes = [read_metrics(each, "episode") for each in (folder, undisturbed)]
    assert episodes[0] == episodes[1]
    assert result(folder)[1] == result(undisturbed)[1]


def test_a_decision_in_an_episode_that_cannot_be_restored_is_dropped(folder, undisturbed):
    run = OnlineRun(overlapped(), folder)
    state = checkpoint.newest(undisturbed / "checkpoints")
    decision = {"action": torch.zeros(1, run.spec.action.size), "is_first": torch.zeros(1, dtype=torch.bool)}
    state["decision"] = decision | {"carry": state["carry"]}
    state["collector"] |= {"begun": [True], "seeds": [1], "actions": [[]], "fingerprints": [[0]]}
    run.replay.read = lambda folder, total: setattr(run.replay, "total", total)
    with pytest.warns(UserWarning, match="does not repeat itself"):
        run.load_state(state)
    assert run.decision is None
    state["collector"]["begun"] = [False]
    assert np.array_equal(run.collector.waiting(), [0])
    run.close()
