"""Evaluations do not count as training time, a run stops once it passes, and rows of other tasks stay."""

import json
from types import SimpleNamespace

import pytest


@pytest.fixture
def solved(bench, monkeypatch, tmp_path):
    import time_to_solved

    monkeypatch.setattr(time_to_solved, "RESULT", tmp_path / "result.json")
    return time_to_solved


class Clock:
    """Frames, decisions and updates of a run."""

    def __init__(self, decisions: int) -> None:
        self.decisions, self.updates = decisions, decisions

    @property
    def moment(self) -> dict[str, int]:
        return {"frames": 2 * self.decisions, "decisions": self.decisions, "updates": self.updates}


def fake_run(tmp_path, decisions: int):
    budget = SimpleNamespace(spent=float(decisions), began=0.0)
    return SimpleNamespace(
        clock=Clock(decisions), time=budget, agent=None, config=SimpleNamespace(env=None, seed=3), folder=tmp_path / "x"
    )


def test_the_first_agent_that_passes_ends_the_run(solved, tmp_path, monkeypatch):
    means = iter([-400.0, -200.0])
    monkeypatch.setattr(solved, "evaluate", lambda *_: SimpleNamespace(returns=[next(means)]))
    run, file = fake_run(tmp_path, 100), tmp_path / "rows.json"
    examine = solved.Examine(run, solved.TASKS["pendulum"], 60, 10, file)
    examine.on_checkpoint(None, None)
    assert run.time.began > 0  # the evaluation is off the clock
    examine.on_checkpoint(None, None)  # the same agent is not evaluated twice
    run.clock.decisions = run.clock.updates = 200
    run.time.spent = 200.0
    with pytest.raises(solved.Ended):
        examine.on_checkpoint(None, None)
    assert [(row["seconds"], row["decisions"], row["return"]) for row in examine.rows] == [
        (100.0, 100, -400.0),
        (200.0, 200, -200.0),
    ]
    # A run that goes on from an earlier checkpoint plays the later part again.
    assert [row["decisions"] for row in solved.Examine(fake_run(tmp_path, 150), None, 60, 10, file).rows] == [100]


def test_a_run_that_takes_too_long_ends_unsolved(solved, tmp_path, monkeypatch):
    monkeypatch.setattr(solved, "evaluate", lambda *_: SimpleNamespace(returns=[-900.0]))
    examine = solved.Examine(fake_run(tmp_path, 121), solved.TASKS["pendulum"], 2, 10, tmp_path / "rows.json")
    with pytest.raises(solved.Ended):
        examine.examine()
    assert not examine.solved


def test_other_tasks_and_seeds_keep_their_rows(solved):
    solved.write("pendulum", {"seed": 1, "seconds": 10.0})
    solved.write("own", {"seed": 0, "seconds": 20.0})
    solved.write("pendulum", {"seed": 0, "seconds": 30.0})
    solved.write("pendulum", {"seed": 1, "seconds": 40.0})
    tasks = json.loads(solved.RESULT.read_text())["tasks"]
    assert [(row["seed"], row["seconds"]) for row in tasks["pendulum"]["seeds"]] == [(0, 30.0), (1, 40.0)]
    assert [row["seconds"] for row in tasks["own"]["seeds"]] == [20.0]


def test_the_board_keeps_the_contract_of_environments(bench):
    import reverie
    from reverie.testing import check_environment

    assert check_environment(reverie.EnvConfig("dot_board:DotBoard-v0", observe=("all",), image_size=12)) == []


def test_every_task_has_a_config(solved):
    for task in solved.TASKS.values():
        config = solved.configure(task, "laptop", seed=5, threads=1, frames=None)
        assert (config.seed, config.threads, config.env.observe) == (5, 1, task.observe)
        assert config.evaluation.every == 0
