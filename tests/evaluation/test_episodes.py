"""Evaluation: a film is an extra, workers are restarted, frames are those that were played."""

import gymnasium
import numpy as np
import pytest

import reverie
from reverie.agents.agent import AgentConfig, build
from reverie.envs import EnvConfig, make
from reverie.errors import UserError
from reverie.evaluation import films, returns
from reverie.evaluation.returns import evaluate
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


def test_a_film_has_a_greatest_length(world, monkeypatch):
    monkeypatch.setattr(returns, "MOST_FRAMES", 2)
    config, agent = world()
    assert len(evaluate(agent, config, 1, 0, film=True).frames) == 2


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
