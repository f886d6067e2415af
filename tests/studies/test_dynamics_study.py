"""The study of dynamics: only the dynamics differ, and the tiny study from end to end."""

import pytest

from studies.dynamics.report import CONTEXT, LANDING
from studies.dynamics.run import LENGTH, MODELS, WORLDS, agent, fit


@pytest.mark.parametrize("world", WORLDS)
def test_only_the_dynamics_differ(world):
    for build in (fit, agent):
        one, *others = (build(world, name, "laptop") for name in MODELS)
        for other in others:
            assert other.model.dynamics != one.model.dynamics
            assert other.model.signals == one.model.signals
            assert other.training == one.training


@pytest.mark.slow
def test_the_tiny_study_runs(run_tiny):
    numbers, _ = run_tiny("dynamics")
    for world in WORLDS:
        for name, result in numbers[world].items():
            assert ("bound" in result) == (name in ("RSSM", "SSM"))
            steps = LENGTH[world] - CONTEXT[world]
            assert len(result["open_loop_image_error"]) == len(result["open_loop_reward_error"]) == steps
    assert {name for world in WORLDS for name in numbers[world]} == set(MODELS)
    assert len(numbers["curtain"]["RSSM"]["excess_nll"]) == LANDING
