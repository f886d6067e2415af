"""DeepMind Control: the suite's own pixels, numbers and rewards, and mistakes in one sentence."""

import json
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
from dmc_needed import needs_dmc

from reverie.envs import EnvConfig, dm_control, make
from reverie.envs.dm_control import PUBLISHED_TASKS
from reverie.envs.vector import SerialEnvironments, WorkerEnvironments
from reverie.errors import UserError
from reverie.spaces import ActionSpace, Space

pytestmark = needs_dmc()

CARTPOLE = "dm_control/cartpole-swingup-v0"
NUMBERS = EnvConfig(CARTPOLE, observe=("state",), repeat=2)


def load_stock(domain, task, seed):
    """Return the suite's own environment."""
    from dm_control import suite

    return suite.load(domain, task, task_kwargs={"random": seed})


def flatten(observation):
    return np.concatenate([np.ravel(part) for part in observation.values()]).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("domain", "task", "camera"),
    [("cartpole", "swingup", 0), ("ball_in_cup", "catch", 0), ("walker", "walk", 0), ("quadruped", "walk", 2)],
)
def test_stock_is_dm_control_bit_for_bit(domain, task, camera):
    """Pixels, numbers and rewards equal those of the suite with the same seed."""
    config = EnvConfig(f"dm_control/{domain}-{task}-v0", observe=("pixels", "state"), repeat=2, image_size=48)
    with closing(make(config)) as ours, closing(load_stock(domain, task, seed=7)) as stock:
        ours.reset(3)
        step, timestep = ours.reset(7), stock.reset()
        action_spec = stock.action_spec()
        rng = np.random.default_rng(0)
        for _ in range(3):
            np.testing.assert_array_equal(step.obs["pixels"], stock.physics.render(48, 48, camera_id=camera))
            np.testing.assert_array_equal(step.obs["state"], flatten(timestep.observation))
            action = rng.uniform(-1, 1, action_spec.shape).astype(np.float32)
            step = ours.step(action)
            real = action_spec.minimum + (action.astype(float) + 1) / 2 * (action_spec.maximum - action_spec.minimum)
            rewards = []
            for _ in range(2):
                timestep = stock.step(real)
                rewards.append(timestep.reward)
            assert step.reward == sum(rewards)


def test_one_image_is_drawn_per_decision(monkeypatch):
    with closing(make(EnvConfig(CARTPOLE, repeat=5, rendering="fast"))) as environment:
        drawn = []
        draw = environment.unwrapped.camera.draw
        monkeypatch.setattr(environment.unwrapped.camera, "draw", lambda: drawn.append(1) or draw())
        environment.reset(0)
        environment.step(np.zeros(1))
        assert len(drawn) == 2


def test_the_limit_of_1000_frames_is_not_terminal():
    with closing(make(NUMBERS)) as environment:
        environment.reset(0)
        steps = [environment.step(np.zeros(1)) for _ in range(500)]
    assert [step.is_last for step in steps] == [False] * 499 + [True]
    assert not any(step.is_terminal for step in steps)


@pytest.mark.parametrize(("discount", "is_terminal"), [(0.0, True), (1.0, False)])
def test_a_discount_of_zero_is_terminal(monkeypatch, discount, is_terminal):
    with closing(make(NUMBERS)) as environment:
        environment.reset(0)
        monkeypatch.setattr(environment.unwrapped.env.task, "get_termination", lambda physics: discount)
        step = environment.step(np.zeros(1))
        assert (step.is_last, step.is_terminal) == (True, is_terminal)
        assert environment.unwrapped.frames == 1, "the repeat stops with the episode"
        with pytest.raises(UserError, match="call reset"):
            environment.step(np.zeros(1))


def test_a_time_limit_shortens_the_episode():
    with closing(make(EnvConfig(CARTPOLE, observe=("state",), repeat=2, time_limit=5))) as environment:
        environment.reset(0)
        steps = [environment.step(np.zeros(1)) for _ in range(3)]
        assert [(step.is_last, step.is_terminal) for step in steps] == [(False, False)] * 2 + [(True, False)]
        assert environment.unwrapped.frames == 5


def test_observations_are_named_by_dm_controls_keys():
    with closing(make(EnvConfig("dm_control/walker-walk-v0", observe=("all",)))) as environment:
        keys = environment.reset(0).obs
        assert {name: space.shape for name, space in environment.spec.obs.items()} == {
            "orientations": (14,),
            "height": (1,),
            "velocity": (9,),
        }
        assert environment.spec.action == ActionSpace(6, discrete=False)
    with closing(make(EnvConfig("dm_control/walker-walk-v0", observe=("state", "height")))) as environment:
        obs = environment.reset(0).obs
        assert environment.spec.obs["state"] == Space((24,), "float32")
    np.testing.assert_array_equal(obs["state"], np.concatenate(list(keys.values())))
    np.testing.assert_array_equal(obs["height"], keys["height"])


@pytest.mark.slow
def test_render_is_stock_even_if_rendering_is_fast():
    with closing(make(EnvConfig(CARTPOLE, rendering="fast"))) as fast, closing(make(EnvConfig(CARTPOLE))) as stock:
        for environment in (fast, stock):
            environment.reset(1)
            environment.step(np.ones(1))
        np.testing.assert_array_equal(fast.render(), stock.render())
        np.testing.assert_array_equal(stock.render(), stock.unwrapped.physics.render(240, 320, camera_id=0))


@pytest.mark.slow
def test_workers_draw_the_same_bits():
    config = EnvConfig(CARTPOLE, repeat=2, image_size=32)
    with closing(SerialEnvironments(config, make)) as serial, closing(WorkerEnvironments(config, make)) as workers:
        for ask in (lambda many: many.reset({0: 1}), lambda many: many.step({0: np.ones(1, np.float32)})):
            np.testing.assert_array_equal(ask(serial)[0].obs["pixels"], ask(workers)[0].obs["pixels"])


def test_the_twenty_published_tasks_exist():
    from dm_control import suite

    assert len(PUBLISHED_TASKS) == 20
    listed = dm_control.ids()
    for name, task in PUBLISHED_TASKS.items():
        assert (task.domain, task.task) in suite.ALL_TASKS
        assert name == f"{task.domain.replace('ball_in_cup', 'cup')}_{task.task}"
        assert task.repeat == 2
        assert dm_control.parse_id(task.id) == dm_control.parse_id(f"dm_control/{name}") == task
        assert task.id in listed
    assert dm_control.parse_id("dm_control/cup-catch-v0") == PUBLISHED_TASKS["cup_catch"]


def test_unpublished_tasks_are_drawn_at_twice_the_size():
    """Their thin parts are not known, so `fast` averages. The quadruped's fixed camera shows little of it."""
    assert dm_control.parse_id("dm_control/cartpole-two_poles-v0") == dm_control.Task(
        "cartpole", "two_poles", grid=(2, 2)
    )
    assert dm_control.parse_id("dm_control/quadruped-fetch-v0").camera == 2


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"id": "dm_control/cartpole-swingupp-v0"}, "Did you mean dm_control/cartpole-swingup-v0"),
        ({"id": "dm_control/cartpole"}, "not of the form"),
        ({"observe": ("velocty",)}, "Did you mean velocity"),
        ({"observe": ()}, "Nothing is observed"),
        ({"camera": 9}, "set --env.camera"),
        ({"time_limit": 2000}, "ends after 1000 frames"),
        ({"kwargs": ("goal=flat",)}, "leave them out"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_fix(settings, sentence):
    with pytest.raises(UserError, match=sentence):
        make(EnvConfig(**{"id": CARTPOLE, "observe": ("state",), **settings}))


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(dm_control, "_INSTALLED", False)
    with pytest.raises(UserError, match=r"pip install 'reverie\[dmc\]'"):
        make(NUMBERS)
    assert dm_control.ids() == [task.id for task in PUBLISHED_TASKS.values()]


@pytest.mark.slow
def test_nothing_is_printed_and_importing_is_cheap():
    """A closed environment prints nothing at exit, and the package alone loads no simulator."""
    script = f"""
import json, sys
import reverie.envs
loaded = [name for name in ("gymnasium", "mujoco", "dm_control", "torch") if name in sys.modules]
import numpy
for id, rendering in (("dm_control/cheetah-run-v0", "stock"), ("{CARTPOLE}", "fast"), ("Pendulum-v1", "stock")):
    environment = reverie.envs.make(reverie.envs.EnvConfig(id, rendering=rendering))
    environment.reset(0)
    environment.step(numpy.zeros(environment.spec.action.size))
    environment.render()
    environment.close()
print(json.dumps(loaded))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == []
