"""The planners that are compared, each at several budgets of candidate evaluations a decision."""

from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from reverie.planning import Planner, PlannerConfig
from reverie.planning.actor import PlanningConfig
from reverie.planning.cem import CEMConfig, ICEMConfig
from reverie.planning.gradient import CEMThenGradientConfig, GradientConfig
from reverie.planning.mppi import MPPIConfig
from reverie.planning.random_shooting import RandomShootingConfig
from reverie.spaces import ActionSpace
from studies.kit import online_recipe

PLANET = "CEM (PlaNet)"
"""Without warm start, as published; its largest budget is the reference."""
HORIZON = {"tiny": 4, "laptop": 12}


@dataclass(frozen=True)
class Contender:
    """A planner at one budget. `evaluations` a step; `gradient_evaluations`: how many of them are for a gradient."""

    family: str
    config: PlanningConfig
    evaluations: int
    gradient_evaluations: int

    @property
    def name(self) -> str:
        return f"{self.family} {self.evaluations}"


def evaluations(config: PlannerConfig) -> tuple[int, int]:
    """Candidates that one plan scores, and how many of them for a gradient.

    A gradient step is one evaluation of each of its sequences; forward and backward cost about three forward ones.
    """
    planner: Planner = config.build(ActionSpace(1, False))
    counted: list[tuple[int, int]] = []

    def score(action: Tensor) -> Tensor:
        counted.append((action.shape[1], action.shape[1] * action.requires_grad))
        return action.sum((2, 3))

    with torch.no_grad():
        start = planner.start(1, torch.device("cpu"))
        planner(score, start, planner.noise(1, torch.Generator().manual_seed(0)))
    scored, differentiated = zip(*counted)
    return sum(scored), sum(differentiated)


def contenders(size: str) -> list[Contender]:
    """All of one size; the reference is among them."""
    own = cast(PlanningConfig, online_recipe("planet", size).behavior)
    everyone = []
    for family, planners in (tiny() if size == "tiny" else laptop()).items():
        for planner in planners:
            config = replace(own, planner=planner, warm_start=family != PLANET)
            everyone.append(Contender(family, config, *evaluations(planner)))
    return everyone


def cem(candidates: int, elites: int, iterations: int, horizon: int = 12) -> CEMConfig:
    """PlaNet's, at another budget."""
    return CEMConfig(horizon, candidates, elites, iterations)


def laptop() -> dict[str, list[PlannerConfig]]:
    """Budgets from about 30 to 10,000; PlaNet's full one takes most of the study's time."""
    budgets = ((10, 3, 3), (64, 10, 3), (160, 16, 4), (270, 27, 6))
    icem = [ICEMConfig(candidates=n, elites=k, iterations=i) for n, k, i in budgets]
    ascent = GradientConfig(steps=5)
    return {
        "random shooting": [RandomShootingConfig(12, n) for n in (31, 127, 499, 1249)],
        PLANET: [cem(32, 4, 4), cem(200, 20, 6), cem(1000, 100, 10)],
        "CEM, warm start": [cem(10, 2, 3), cem(32, 4, 4), cem(100, 10, 5), cem(200, 20, 6)],
        "iCEM": list(icem),
        "MPPI": [MPPIConfig(candidates=n, iterations=i) for n, i in ((16, 2), (32, 4), (100, 5))],
        "gradient": [GradientConfig(starts=n, steps=s) for n, s in ((4, 7), (8, 15), (16, 30))],
        "CEM + gradient": [CEMThenGradientConfig(cem(*c), ascent) for c in ((10, 2, 3), (32, 4, 4), (100, 10, 5))],
        "iCEM + gradient": [CEMThenGradientConfig(search, ascent) for search in icem[:3]],
    }


def tiny() -> dict[str, list[PlannerConfig]]:
    """One or two of each, for tests."""
    icem = ICEMConfig(4, candidates=8, elites=2, iterations=2)
    ascent = GradientConfig(4, starts=2, steps=2)
    return {
        "random shooting": [RandomShootingConfig(4, 7)],
        PLANET: [cem(4, 2, 2, 4), cem(32, 4, 3, 4)],
        "CEM, warm start": [cem(4, 2, 2, 4)],
        "iCEM": [icem],
        "MPPI": [MPPIConfig(4, candidates=4, iterations=2)],
        "gradient": [ascent],
        "CEM + gradient": [CEMThenGradientConfig(cem(4, 2, 2, 4), ascent)],
        "iCEM + gradient": [CEMThenGradientConfig(icem, ascent)],
    }
