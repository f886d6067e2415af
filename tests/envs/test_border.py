"""What an environment gives is checked once, where it comes in: one sentence, and no traceback from deep inside."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from reverie.envs import EnvConfig, make
from reverie.errors import UserError
from reverie.models.world_model import WorldModel
from reverie.nn.normalize import module_name
from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.testing.batches import random_batch, small_model_config

IMAGE = spaces.Box(0, 255, (16, 20, 3), np.uint8)
FRAME = np.full((48, 64, 3), 200, np.uint8)


class Line(gymnasium.Env):
    """A point on a line. `given` replaces what its methods give."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(self, space=None, render_mode=None, **given):
        self.render_mode, self.given = render_mode, given
        self.observation_space = space or spaces.Box(-9, 9, (2,), np.float32)
        self.action_space = given.get("action_space", spaces.Box(-1, 1, (1,), np.float32))
        self.actions = []

    def observation(self):
        return self.given.get("observation", np.zeros(2, np.float32))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.given.get("reset", (self.observation(), {}))

    def step(self, action):
        self.actions.append(float(np.ravel(action)[0]))
        action *= 0.5  # some environments scale their action in place
        return self.given.get("step", (self.observation(), self.given.get("reward", 1.0), False, False, {}))

    def render(self):
        return self.given.get("frame", FRAME)


def open_line(observe="state", repeat=1, **given):
    gymnasium.register("Line-v0", lambda render_mode=None: Line(render_mode=render_mode, **given), max_episode_steps=5)
    try:
        return make(EnvConfig("Line-v0", observe=(observe,), image_size=16, repeat=repeat))
    finally:
        del gymnasium.registry["Line-v0"]


def play(**given):
    environment = open_line(**given)
    environment.reset(0)
    return environment.step(np.zeros(1, np.float32))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"observation": np.zeros(3, np.float32)},
            "declares the observation 'state' as float32 (2,) and gives float32 (3,)",
        ),
        ({"observation": None}, "declares the observation 'state' as float32 (2,) and gives None"),
        ({"observation": np.array([0, np.nan])}, "gives an observation 'state' with NaN, infinity"),
        ({"observation": np.array([0, 1e300])}, "or numbers beyond float32"),
        ({"space": IMAGE, "observation": np.zeros((16, 20, 3))}, "as uint8 (16, 20, 3) and gives float64 (16, 20, 3)"),
        (
            {"space": spaces.Discrete(3), "observation": 7},
            "declares the observation 'state' as Discrete(3) and gives 7",
        ),
        (
            {"observe": "b", "space": spaces.Dict(a=IMAGE, b=spaces.Discrete(2)), "observation": {"a": FRAME}},
            "declares an observation 'b' and gives only a",
        ),
        ({"reset": np.zeros(2)}, "returns float64 (2,) from reset instead of (observation, info)"),
        (
            {"step": (np.zeros(2), 0.0, False, {})},
            "returns other than (observation, reward, terminated, truncated, info)",
        ),
        ({"reward": None}, "gives the reward None, which is not one finite number"),
        ({"reward": float("nan")}, "gives the reward nan"),
        ({"reward": np.zeros(2)}, "which is not one finite number"),
        ({"observe": "pixels", "frame": None}, "draws None instead of a frame of uint8"),
        ({"observe": "pixels", "frame": np.full((48, 64, 3), 0.6)}, "draws float64 (48, 64, 3) instead of a frame"),
        ({"action_space": spaces.Box(-1, 1, (0,))}, "which hold no number"),
        ({"space": spaces.Box(0, 255, (9, 9, 40), np.uint8)}, "does not show its channels"),
    ],
)
def test_a_broken_promise_is_one_sentence(given, sentence):
    with pytest.raises(UserError) as error:
        play(**given)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_a_reset_without_a_seed_is_one_sentence():
    class Old(Line):
        def reset(self):
            return super().reset()

    gymnasium.register("Old-v0", Old, max_episode_steps=5)
    with pytest.raises(UserError, match="has a reset that takes no seed"):
        make(EnvConfig("Old-v0", observe=("state",))).reset(0)
    del gymnasium.registry["Old-v0"]


def test_a_reward_of_one_element_is_a_number():
    assert play(reward=np.array([0.25], np.float32)).reward == 0.25


def test_an_action_that_is_changed_in_place_is_whole_in_every_frame():
    environment = open_line(repeat=4)
    environment.reset(0)
    action = np.array([0.8], np.float32)
    environment.step(action)
    assert environment.unwrapped.actions == pytest.approx([0.8] * 4)
    assert action.tolist() == pytest.approx([0.8])


def test_frames_are_those_that_were_played():
    environment = open_line(repeat=3)
    assert environment.reset(0).frames == 0
    steps = [environment.step(np.zeros(1, np.float32)) for _ in range(2)]
    assert [step.frames for step in steps] == [3, 2]
    assert [step.reward for step in steps] == [3.0, 2.0]


def fail(*_, **__):
    raise OSError("the simulator has gone\nand more")


@pytest.mark.parametrize("call", ["reset", "step"])
def test_an_error_of_the_environment_is_one_sentence_with_its_place(call, monkeypatch):
    monkeypatch.setattr(Line, call, fail)
    with pytest.raises(
        UserError, match=rf"Line-v0 raises OSError in {call} at line \d+ of test_border.py \(the sim"
    ) as caught:
        play()
    assert isinstance(caught.value.__cause__, OSError)  # with its whole traceback, in Python
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        (spaces.Box(0, 1, (24, 32, 3), np.float32), "as an image of float32 (24, 32, 3): convert it to uint8 from 0"),
        (spaces.Box(0, 255, (3, 24, 32), np.int64), "as an image of int64 (3, 24, 32): convert it"),
        (spaces.Box(0, 255, (0, 32, 3), np.uint8), "as (0, 32, 3), which holds no number"),
        (spaces.Box(0, 1, (0,), np.float32), "as (0,), which holds no number"),
        (spaces.Text(4), "which is no array"),
        (spaces.Tuple((spaces.Discrete(2), spaces.Text(4))), "which is no array"),
    ],
)
def test_an_observation_without_a_normal_form_is_refused(space, sentence):
    with pytest.raises(UserError) as caught:
        open_line(space=space)
    assert sentence in str(caught.value)


def test_an_array_of_three_axes_that_is_no_image_is_a_vector():
    observation = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    space = spaces.Box(0, 99, (2, 3, 4), np.float32)
    assert play(space=space, observation=observation).obs["state"].tolist() == list(range(24))


@pytest.mark.parametrize("frame", [FRAME[..., 0], np.concatenate([FRAME, FRAME[..., :1]], -1)])
def test_gray_and_transparent_frames_become_colors(frame):
    assert play(observe="pixels", frame=frame).obs["pixels"].shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("shape", "channels"), [((12, 40, 40), 12), ((40, 40, 12), 12), ((3, 24, 32), 3), ((8, 64, 3), 3)]
)
def test_channels_are_the_shorter_axis(shape, channels):
    colors = np.arange(channels, dtype=np.uint8)
    image = np.broadcast_to(colors if shape[2] == channels else colors[:, None, None], shape)
    obs = play(space=spaces.Box(0, 255, shape, np.uint8), observation=image).obs["state"]
    assert obs.shape == (16, 16, channels)
    assert (obs == colors).all()


@pytest.mark.parametrize("name", ["observation.images.top", "values", "type", "forward", "a/b", "pixels"])
def test_an_observation_may_have_any_name(name):
    spec = EnvSpec(
        {name: Space((16, 16, 3), "uint8"), f"{name}.state": Space((2,), "float32")}, ActionSpace(1, False), 1
    )
    model = WorldModel(small_model_config(), spec)
    trace = model.trace(random_batch(spec, 2, 3), None)
    assert model.decode(trace.features, in_env_units=True).keys() == spec.obs.keys()


def test_plain_names_stay_as_checkpoints_have_them():
    assert [module_name(name) for name in ("pixels", "camera/left", "state")] == ["pixels", "camera/left", "state"]
    assert len({module_name(name) for name in ("a.b", "a/b", "a:b", "values", "obs:values")}) == 5
