"""Planners of discrete actions against frequencies, and against the best of all sequences."""

from itertools import product

import pytest
import torch
from mocks import AddAction, KnownWorld, Value
from test_oracles import cost

from reverie.errors import UserError
from reverie.planning.actions import OneHotActions
from reverie.planning.actor import PlanningActor, PlanningConfig
from reverie.planning.cem import CEMConfig, ICEMConfig, color_noise
from reverie.planning.gradient import CEMThenGradientConfig, GradientConfig
from reverie.planning.mppi import MPPIConfig
from reverie.planning.random_shooting import RandomShootingConfig
from reverie.spaces import ActionSpace
from reverie.types import ActNoise, Plan

H, THREE = 6, ActionSpace(3, discrete=True)
FORCES = torch.tensor([[-0.6], [0.0], [0.6]])
PLANNERS = {
    "CEM": CEMConfig(horizon=H),
    "iCEM": ICEMConfig(horizon=H),
    "MPPI": MPPIConfig(horizon=H),
    "gradient": GradientConfig(horizon=H, starts=4),
    "gradient from one start": GradientConfig(horizon=H, starts=1, steps=40),
    "refined": CEMThenGradientConfig(ICEMConfig(horizon=H)),
    "shooting": RandomShootingConfig(horizon=H, candidates=5000),
}


def one_hot(*choices: int, size: int = 3) -> torch.Tensor:
    return torch.eye(size)[torch.tensor(choices)]


def score(action: torch.Tensor) -> torch.Tensor:
    """Minus the linear-quadratic cost of three forces."""
    return -cost(action @ FORCES)


@pytest.mark.parametrize("config", PLANNERS.values(), ids=PLANNERS)
def test_every_planner_finds_the_best_of_all_sequences(config):
    """There are 3^6 = 729."""
    everything = torch.stack([one_hot(*choices) for choices in product(range(3), repeat=H)])
    planner = config.build(THREE)
    noise = planner.noise(3, torch.Generator().manual_seed(0))
    plan = planner(score, planner.start(3, torch.device("cpu")), noise)
    torch.testing.assert_close(score(plan.elites[:, :1])[:, 0], score(everything.expand(3, -1, -1, -1)).amax(1))


def test_gradient_ascent_improves_the_elites_of_a_poor_search():
    search = ICEMConfig(horizon=H, candidates=20, iterations=1)
    mean = []
    for config in (search, CEMThenGradientConfig(search)):
        planner, generator = config.build(THREE), torch.Generator().manual_seed(0)
        start = planner.start(3, torch.device("cpu"))
        plans = [planner(score, start, planner.noise(3, generator)) for _ in range(10)]
        mean.append(torch.stack([score(plan.elites[:, :1]) for plan in plans]).mean())
    assert mean[1] > 0.9 * mean[0]


@pytest.mark.parametrize(
    ("mean", "std", "expected"),
    [
        ([0.5, 0.3, 0.2], [0.5, 0.458, 0.4], [0.5, 0.3, 0.2]),  # the std of these probabilities changes nothing
        ([1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]),
        ([1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [1 / 1.5, 0.25 / 1.5, 0.25 / 1.5]),  # a warm start
        ([0.9, 0.1, 0.0], [0.3, 0.3, 0.2], [0.9 / 1.04, 0.1 / 1.04, 0.04 / 1.04]),  # a lower bound of 0.2
        ([1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_choices_are_drawn_by_their_probabilities(mean, std, expected):
    plan = Plan(torch.tensor([[mean]]), torch.tensor([[std]]), one_hot(0)[None, None])
    noise = torch.randn(1, 100_000, 1, 3, generator=torch.Generator().manual_seed(0))
    action = OneHotActions(3).sample(plan, noise)
    torch.testing.assert_close(action.mean((0, 1, 2)), torch.tensor(expected), atol=0.005, rtol=0)


def test_noise_that_is_correlated_in_time_repeats_choices_at_the_same_frequencies():
    mean = torch.tensor([0.5, 0.3, 0.2]).expand(1, 8, 3)
    plan = Plan(mean, torch.zeros_like(mean), mean[:, None])
    white = torch.randn(1, 50_000, 3, 8, generator=torch.Generator().manual_seed(0))
    repeated = {}
    for color in (0.0, 2.0):
        action = OneHotActions(3).sample(plan, color_noise(white, color).mT)
        torch.testing.assert_close(action.mean(1), mean, atol=0.01, rtol=0)
        repeated[color] = (action[:, :, 1:] * action[:, :, :-1]).sum(-1).mean().item()
    assert repeated[0.0] == pytest.approx(0.5**2 + 0.3**2 + 0.2**2, abs=0.01)
    assert repeated[2.0] > 0.6


def test_cem_refits_to_the_frequencies_among_the_elites():
    planner = CEMConfig(horizon=1, candidates=50, elites=4, iterations=1).build(THREE)
    noise, seen = planner.noise(1, torch.Generator().manual_seed(0)), []

    def prefer(action):
        """Score by the order of the candidates, so that the last four are the elites."""
        seen.append(action)
        return torch.arange(50.0)[None]

    plan = planner(prefer, planner.start(1, torch.device("cpu")), noise)
    frequency = seen[0][0, -4:, 0].sum(0) / 4
    torch.testing.assert_close(plan.mean[0, 0], frequency)
    torch.testing.assert_close(plan.std[0, 0], (frequency * (1 - frequency)).sqrt())
    assert plan.action.argmax() == frequency.argmax()


def test_mppi_weighs_choices_by_the_exponential_of_their_scores():
    planner = MPPIConfig(horizon=1, candidates=50, iterations=1, temperature=0.5, min_std=0.0).build(THREE)
    noise, values, seen = planner.noise(1, torch.Generator().manual_seed(0)), torch.tensor([0.0, 1.0, 0.5]), []

    def prefer(action):
        seen.append(action)
        return action[:, :, 0] @ values

    plan = planner(prefer, planner.start(1, torch.device("cpu")), noise)
    scores = seen[0][0, :, 0] @ values
    weight = (scores / (0.5 * scores.std())).exp()
    expected = torch.stack([weight[seen[0][0, :, 0, choice] == 1].sum() for choice in range(3)]) / weight.sum()
    torch.testing.assert_close(plan.mean[0, 0], expected)
    assert plan.action.tolist() == [[0, 1, 0]]


def test_the_gradient_of_a_choice_is_that_of_its_probability():
    x, slope = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([1.0, -2.0, 0.5])
    chosen, relaxed = (x.clone().requires_grad_() for _ in range(2))
    action = OneHotActions(3).nearest(chosen)
    assert action.tolist() == one_hot(*x.argmax(-1)).tolist()
    (action @ slope).sum().backward()
    (relaxed.softmax(-1) @ slope).sum().backward()
    torch.testing.assert_close(chosen.grad, relaxed.grad)


class Walk(AddAction):
    """A number that moves by -0.5, 0 or 0.5."""

    def predict(self, state, action, noise):
        return super().predict(state, (action @ torch.tensor([-0.5, 0.0, 0.5]))[..., None], noise)


def walker(**planning) -> PlanningActor:
    world = KnownWorld(Walk(1), reward=lambda features: -features[..., 0].square())
    return PlanningActor(PlanningConfig(ICEMConfig(horizon=3), **planning), world, THREE)


def test_the_actor_walks_to_the_highest_reward():
    actor = walker()
    plan, state = actor.initial(3), AddAction.at(1.5, -1.0, 0.0)
    for expected in ([0, 2, 1], [0, 2, 1], [0, 1, 1]):
        action, plan = actor.act(state, plan, None)
        assert action.tolist() == one_hot(*expected).tolist()
        state = Value(state.value + (action @ torch.tensor([-0.5, 0.0, 0.5]))[:, None])


def test_exploration_is_a_random_choice_as_often_as_asked():
    actor, count = walker(exploration=0.3), 20_000
    noise = torch.randn(count, 4, generator=torch.Generator().manual_seed(0))
    action = actor.actions.explore(one_hot(1).expand(count, 3), noise, 0.3)
    assert (action.sum(-1) == 1).all()
    torch.testing.assert_close(action.mean(0), torch.tensor([0.1, 0.8, 0.1]), atol=0.01, rtol=0)
    explored, _ = actor.act(AddAction.at(0.0), actor.initial(1), ActNoise(None, None, torch.tensor([[-9.0, 0, 0, 1]])))
    assert explored.tolist() == one_hot(2).tolist()


@pytest.mark.parametrize("discrete", [False, True])
def test_nothing_to_choose_is_one_sentence(discrete):
    with pytest.raises(UserError, match=r"There is nothing to plan.*: set --behavior none"):
        PlanningActor(PlanningConfig(), KnownWorld(AddAction(1)), ActionSpace(0, discrete))
