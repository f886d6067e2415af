"""Every planner and every objective keeps the contract."""

from dataclasses import replace

import pytest
import torch
from mocks import model_config, random_batch, spec
from torch import nn

from reverie.planning import PlannerConfig
from reverie.planning.base import shift
from reverie.planning.objectives import GoalConfig, GoalObjectiveConfig, ObjectiveConfig
from reverie.signals.contrastive import ContrastiveConfig
from reverie.signals.reconstruction import PixelPredictionConfig
from reverie.testing import check_objective, check_planner
from reverie.types import Plan

OBJECTIVES = [config() for config in ObjectiveConfig.choices().values()] + [
    GoalConfig(similarity, steps) for similarity in ("cosine", "dot", "learned") for steps in ("end", "all")
]


@pytest.mark.parametrize("config", PlannerConfig.choices().values())
def test_planners_keep_the_contract(config):
    assert check_planner(config()) == []


@pytest.mark.parametrize("config", OBJECTIVES, ids=repr)
def test_objectives_keep_the_contract(config):
    torch.manual_seed(0)
    seen, small = spec(), model_config()
    signals = small.signals | {"contrastive": ContrastiveConfig(), "pixel_forward": PixelPredictionConfig()}
    model = replace(small, signals=signals, weights=dict.fromkeys(signals, 1.0)).build(seen)
    goal = model.normalize({name: x[:1, 0] for name, x in random_batch(seen).obs.items()})
    value = nn.Linear(model.dynamics.feature_size, 1)
    assert check_objective(config, model, value, goal if isinstance(config, GoalObjectiveConfig) else None) == []


def test_shift_drops_the_first_action():
    sequence = torch.arange(4.0).reshape(1, 4, 1) / 10
    plan = Plan(sequence, torch.full((1, 4, 1), 0.1), torch.stack([sequence, -sequence], dim=1))
    start = Plan(torch.zeros(1, 4, 1), torch.ones(1, 4, 1), torch.zeros(1, 1, 4, 1))
    later = shift(plan, start)
    torch.testing.assert_close(later.mean.flatten(), torch.tensor([0.1, 0.2, 0.3, 0.0]))
    assert torch.equal(later.std, start.std)
    torch.testing.assert_close(later.elites[0, 1].flatten(), torch.tensor([-0.1, -0.2, -0.3, 0.0]))
