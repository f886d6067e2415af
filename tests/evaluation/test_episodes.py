"""Evaluation: a film is an extra, workers are restarted, frames are those that were played."""

import gymnasium
import numpy as np
import pytest
import torch

import reverie
from reverie.agents.agent import AgentConfig, build, with_planner
from reverie.envs import EnvConfig, make
from reverie.errors import UserError
from reverie.evaluation import films
from reverie.evaluation.returns import evaluate
from reverie.planning.actor import PlanningConfig
from reverie.planning.cem import CEMConfig
from reverie.runs.results import play


class Drawn(gymnasium.Env):
    """Five frames an episode. `frames` are what render gives in turn; an exception is raised."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    frames = (np.zeros((24, 32, 3), np.uint8),)
    closes = True

    def __init__(self, render_mode=None):
        self.render_mode, self.drawn = render_mode, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), 1.0, False, False, {}

    def render(self):
        self.drawn += 1
        frame = self.frames[min(self.drawn, len(self.frames)) - 1]
        if isinstance(frame, Exception):
            raise frame
        return frame

    def close(self):
        if not self.closes:
            raise RuntimeError("the window has gone already")


@pytest.fixture
def world():
    """Register a variant of `Drawn`, and return its config with an agent for it."""

    def register(repeat=2, **attributes):
        gymnasium.register("Drawn-v0", type("Drawn", (Drawn,), attributes), max_episode_steps=5)
        config = EnvConfig("Drawn-v0", observe=("state",), repeat=repeat)
        base = reverie.recipe("dreamer_v1", "tiny", "Pendulum-v1")
        environment = make(config)
        return config, build(AgentConfig(environment.spec, base.model, base.behavior.actor, config))

    yield register
    gymnasium.registry.pop("Drawn-v0", None)


GOOD = np.zeros((24, 32, 3), np.uint8)


@pytest.mark.parametrize(
    ("frames", "problem"),
    [
        ((GOOD, RuntimeError("no window")), "no window"),
        ((GOOD, np.zeros((10, 10, 3), np.uint8)), "the size of a frame changed from (24, 32, 3) to (10, 10, 3)"),
        ((GOOD, None), "draws None instead of a frame"),
        ((np.zeros((24, 32, 3)),), "draws float64 (24, 32, 3) instead of a frame"),
    ],
)
def test_a_failing_render_costs_the_film_alone(world, tmp_path, frames, problem):
    config, agent = world(frames=frames)
    results, _ = play(agent, config, 2, 0, tmp_path / "film.mp4")
    assert results.returns == [5.0, 5.0]
    assert [line for line in results.sentences if line.startswith("warning: There is no film: ") and problem in line]
    assert not (tmp_path / "film.mp4").exists()


def test_an_odd_size_makes_a_film(world, tmp_path):
    config, agent = world(frames=(np.zeros((301, 257, 3), np.uint8),))
    results, _ = play(agent, config, 1, 0, tmp_path / "film.mp4")
    assert results.files["film"].stat().st_size > 0


def test_a_close_that_raises_costs_nothing(world):
    config, agent = world(closes=False)
    with pytest.warns(RuntimeWarning, match="the window has gone already"):
        assert evaluate(agent, config, 1, 0).returns == [5.0]


def test_lengths_are_frames_that_were_played(world):
    config, agent = world(repeat=2)
    assert evaluate(agent, config, 2, 0).lengths_frames == [5, 5]


def test_a_film_has_a_frame_for_each_decision_of_the_first_episode(world, tmp_path):
    config, agent = world()
    film = films.Film(tmp_path / "film.mp4", 10)
    assert evaluate(agent, config, 2, 0, film=film).film_problem is None
    assert film.length == 3
    assert film.finish() == tmp_path / "film.mp4"


def test_sampled_evaluations_sample_beliefs_and_repeat_with_their_seed(world):
    """A policy keeps its mode: a second observation alike gives another action only because the belief is sampled."""
    config, agent = world()
    plain, first, again, other = (
        evaluate(agent, config, 1, seed, sampled=sampled).episodes[0].actions
        for seed, sampled in ((0, False), (0, True), (0, True), (1, True))
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, plain)
    assert not np.array_equal(first, other)


def test_a_planner_gets_new_noise_at_every_decision_of_a_sampled_evaluation(world):
    """The noise of the search is what the planner returns as its plan, so equal noise gives equal actions."""
    config, agent = world()
    agent = with_planner(
        agent, PlanningConfig(CEMConfig(horizon=2, candidates=4, elites=1, iterations=1), warm_start=False)
    )
    agent.actor.score = lambda belief, noise=None: lambda action: torch.zeros(action.shape[:2])
    fixed, fresh = (evaluate(agent, config, 1, 0, sampled=sampled).episodes[0].actions for sampled in (False, True))
    assert np.array_equal(fixed[0], fixed[1])
    assert not np.array_equal(fresh[0], fresh[1])


def test_a_moment_after_the_first_episode_is_refused_when_it_ends(world):
    config, agent = world()
    with pytest.raises(UserError, match="had 3 decisions: there is no moment 500, take 0 to 2"):
        evaluate(agent, config, 1_000_000, 0, moment=500)


def test_a_film_is_what_its_ending_says(tmp_path):
    frames = np.zeros((4, 16, 16, 3), np.uint8)
    assert films.write_video(tmp_path / "a.gif", frames, 10).read_bytes()[:3] == b"GIF"
    assert films.write_video(tmp_path / "a:b.mp4", frames, 10).read_bytes()[4:8] == b"ftyp"
    for name in ("a.avi", "a"):
        with pytest.raises(UserError, match=r"end its name with \.mp4 or \.gif"):
            films.write_video(tmp_path / name, frames, 10)
