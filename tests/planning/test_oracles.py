"""Planners against problems with known solutions: linear-quadratic control, and a hill beside a mountain."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from reverie.dynamics.rollout import imagine
from reverie.planning.cem import CEMConfig, ICEMConfig, color_noise
from reverie.planning.gradient import CEMThenGradientConfig, GradientConfig
from reverie.planning.mppi import MPPIConfig
from reverie.planning.random_shooting import RandomShootingConfig
from reverie.spaces import ActionSpace
from reverie.types import Plan

H = 8
TRANSITION = torch.tensor([[1.0, 0.2], [0.0, 1.0]])  # position and speed
CONTROL = torch.tensor([[0.0], [0.4]])
STATE_COST, ACTION_COST = torch.diag(torch.tensor([1.0, 0.1])), torch.tensor([[0.3]])
STARTS = torch.tensor([[0.5, 0.0], [-0.3, 0.2], [0.1, -0.4]])


@dataclass(frozen=True)
class Point:
    x: Tensor


class Linear:
    """The dynamics `x' = A x + B u`, without noise."""

    def predict(self, state: Point, action: Tensor, noise: Tensor | None) -> Point:
        return Point(state.x @ TRANSITION.T + action @ CONTROL.T)


def cost(action: Tensor) -> Tensor:
    """Return `sum_t x_t' Q x_t + u_t' R u_t` of candidates (B, N, H, 1), from STARTS."""
    batch, count = action.shape[:2]
    start = Point(STARTS[:, None].expand(batch, count, 2).flatten(0, 1))
    states = imagine(Linear(), start, action.flatten(0, 1), None).x.unflatten(0, (batch, count))
    state_cost = torch.einsum("bnhi,ij,bnhj->bn", states, STATE_COST, states)
    return state_cost + torch.einsum("bnhi,ij,bnhj->bn", action, ACTION_COST, action)


def riccati() -> tuple[Tensor, Tensor]:
    """Return the least cost from each start and its actions, by the backward recursion. States count from step 1."""
    value, gains = torch.zeros(2, 2), []
    for _ in range(H):
        next_cost = STATE_COST + value
        inner = ACTION_COST + CONTROL.T @ next_cost @ CONTROL
        gain = torch.linalg.solve(inner, CONTROL.T @ next_cost @ TRANSITION)
        value = TRANSITION.T @ next_cost @ TRANSITION - TRANSITION.T @ next_cost @ CONTROL @ gain
        gains.append(gain)
    x, actions = STARTS, []
    for gain in reversed(gains):
        actions.append(-x @ gain.T)
        x = x @ TRANSITION.T + actions[-1] @ CONTROL.T
    return torch.einsum("bi,ij,bj->b", STARTS, value, STARTS), torch.stack(actions, dim=1)


def test_the_riccati_cost_is_the_least():
    least, actions = riccati()
    assert actions.abs().max() < 1  # the bounds do not matter
    torch.testing.assert_close(cost(actions[:, None])[:, 0], least)
    for _ in range(5):
        assert (cost((actions + 0.05 * torch.randn_like(actions))[:, None])[:, 0] > least).all()


GAPS = [
    pytest.param(CEMConfig(horizon=H), 1, 0.01, id="CEM"),
    pytest.param(ICEMConfig(horizon=H, candidates=64, iterations=5), 4, 0.1, id="iCEM"),
    pytest.param(MPPIConfig(horizon=H, candidates=256, iterations=6), 4, 0.06, id="MPPI"),
    pytest.param(GradientConfig(horizon=H, starts=4, steps=150, lr=0.03), 1, 0.001, id="gradient"),
    pytest.param(
        CEMThenGradientConfig(ICEMConfig(horizon=H, iterations=3), GradientConfig(steps=60, lr=0.03)),
        1,
        0.001,
        id="refined",
    ),
    pytest.param(RandomShootingConfig(horizon=H, candidates=20_000), 1, 0.7, id="shooting"),
]


@pytest.mark.parametrize(("config", "calls", "gap"), GAPS)
def test_every_planner_reaches_the_riccati_cost(config, calls, gap):
    """Each call starts from the last plan. `gap` is relative to the least cost."""
    least, _ = riccati()
    planner, generator = config.build(ActionSpace(1, False)), torch.Generator().manual_seed(0)
    plan = start = planner.start(len(STARTS), torch.device("cpu"))
    for _ in range(calls):
        plan = planner(
            lambda action: -cost(action), Plan(plan.mean, start.std, plan.elites), planner.noise(3, generator)
        )
    result = cost(plan.elites[:, :1])[:, 0]
    assert (result >= least - 1e-5).all()
    assert ((result - least) / least).max() < gap


def mountain(action: Tensor) -> Tensor:
    """Score the first action: a broad hill of height 1 at -0.5, a narrow mountain of height 3 at 0.7."""
    first = action[:, :, 0, 0]
    return torch.exp(-((first + 0.5) ** 2) / 0.1) + 3 * torch.exp(-((first - 0.7) ** 2) / 0.02)


def height(config) -> Tensor:
    """Return the scores of five plans that start at -0.3, near the hill."""
    planner = config.build(ActionSpace(1, False))
    noise = planner.noise(5, torch.Generator().manual_seed(0))
    start = planner.start(5, torch.device("cpu"))
    start = Plan(start.mean - 0.3, start.std, start.elites - 0.3)
    return mountain(planner(mountain, start, noise).elites[:, :1])[:, 0]


def test_only_gradient_ascent_from_one_start_stays_on_the_hill():
    assert height(GradientConfig(horizon=2, starts=1, steps=100)).max() < 1.01
    for config in (
        GradientConfig(horizon=2, starts=32, steps=100, std=1.0),
        CEMConfig(horizon=2, candidates=500, elites=20, min_std=0.02),
        ICEMConfig(horizon=2, candidates=200, init_std=1.0, iterations=6),
        MPPIConfig(horizon=2, candidates=500, std=1.0, temperature=0.1, iterations=8, min_std=0.02),
        CEMThenGradientConfig(ICEMConfig(horizon=2, init_std=1.0), GradientConfig(steps=30, lr=0.02)),
        RandomShootingConfig(horizon=2, candidates=1000),
    ):
        assert height(config).min() > 2.7, config


def test_gradient_ascent_keeps_the_best_point():
    """The steps are so large that the path jumps, but the result is never below its start."""
    config = GradientConfig(horizon=2, starts=1, steps=15, lr=1.5, optimizer="sgd")
    start = mountain(torch.full((1, 1, 2, 1), -0.3))
    assert (height(config) >= start - 1e-6).all()


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("length", [12, 15])
def test_colored_noise_has_unit_variance_and_its_spectrum(exponent, length):
    white = torch.randn(200_000, length, generator=torch.Generator().manual_seed(0))
    noise = color_noise(white, exponent)
    assert noise.std(0).min() == pytest.approx(1, abs=0.02)
    assert noise.std(0).max() == pytest.approx(1, abs=0.02)
    power = torch.fft.rfft(noise).abs().square().mean(0)
    inner = torch.arange(1, (length + 1) // 2)
    torch.testing.assert_close(power[inner] / power[1], inner**-exponent, rtol=0.03, atol=0)
    if exponent == 0:
        torch.testing.assert_close(noise, white, atol=1e-5, rtol=1e-4)


def test_populations_shrink_to_twice_the_elites():
    assert ICEMConfig(candidates=64, elites=10, iterations=8).populations == [64, 51, 41, 33, 26, 21, 20, 20]


def test_mppi_executes_a_single_candidate():
    planner = MPPIConfig(horizon=2, candidates=1, iterations=1).build(ActionSpace(1, False))
    noise = planner.noise(3, torch.Generator().manual_seed(0))
    plan = planner(lambda action: action.sum((2, 3)), planner.start(3, torch.device("cpu")), noise)
    assert torch.equal(plan.mean, (0.5 * noise[0, :, 0]).clamp(-1, 1))
    assert torch.isfinite(plan.std).all()
