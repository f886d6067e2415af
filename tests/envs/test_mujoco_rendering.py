"""The choice of OpenGL, and the pixels of `stock` and `fast`."""

import os
import sys
from contextlib import closing

import numpy as np
import pytest
from dmc_needed import needs_dmc

from reverie.envs import EnvConfig, make, mujoco_rendering
from reverie.errors import UserError


@pytest.fixture
def bare_linux(monkeypatch):
    """A Linux without a user's choice and without a screen."""
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.setenv(name, "")  # so that a later change is undone
        monkeypatch.delenv(name)
    monkeypatch.setattr(mujoco_rendering, "_egl_works", lambda: False)
    monkeypatch.setattr(mujoco_rendering.ctypes.util, "find_library", lambda name: None)
    return monkeypatch


def test_mujoco_gl_stays_if_set(bare_linux):
    bare_linux.setenv("MUJOCO_GL", "glfw")
    assert mujoco_rendering.choose_gl() == "glfw"


@pytest.mark.parametrize(
    ("egl", "osmesa", "display", "chosen"),
    [
        (True, True, ":0", "egl"),
        (False, True, ":0", "osmesa"),
        (False, False, ":0", "glfw"),
        (False, False, "", None),
    ],
)
def test_egl_then_osmesa_then_a_window(bare_linux, egl, osmesa, display, chosen):
    bare_linux.setattr(mujoco_rendering, "_egl_works", lambda: egl)
    bare_linux.setattr(mujoco_rendering.ctypes.util, "find_library", lambda name: "libOSMesa.so" if osmesa else None)
    bare_linux.setenv("DISPLAY", display)
    assert mujoco_rendering.choose_gl() == chosen
    assert os.environ.get("MUJOCO_GL") == chosen


def test_no_gl_names_the_packages(bare_linux):
    with pytest.raises(UserError, match="apt-get install libegl1 libgl1-mesa-dri libopengl0"):
        mujoco_rendering.require_gl()


def test_another_system_needs_no_choice(bare_linux):
    bare_linux.setattr(sys, "platform", "darwin")
    assert mujoco_rendering.choose_gl() == "native"
    assert "MUJOCO_GL" not in os.environ


def draw(task, rendering, size=64):
    """Return three frames of one episode, (3, size, size, 3)."""
    config = EnvConfig(f"dm_control/{task}-v0", rendering=rendering, repeat=15, image_size=size)
    with closing(make(config)) as environment:
        rng = np.random.default_rng(0)
        steps = [environment.reset(0)]
        for _ in range(2):
            action = rng.uniform(-1, 1, environment.spec.action.size).astype(np.float32)
            steps.append(environment.step(action))
        return np.stack([step.obs["pixels"] for step in steps]).astype(int)


@pytest.mark.slow
@needs_dmc()
@pytest.mark.parametrize(("task", "bound"), [("cartpole-swingup", 2.5), ("cheetah-run", 2.5), ("walker-walk", 11.0)])
def test_fast_is_near_stock_and_reproducible(task, bound):
    stock, fast = draw(task, "stock"), draw(task, "fast")
    assert 0 < np.abs(stock - fast).mean() < bound
    np.testing.assert_array_equal(fast, draw(task, "fast"))


@pytest.mark.slow
@needs_dmc()
def test_fast_keeps_the_cartpoles_thin_rail():
    """The rail is thinner than a pixel, but its row must stand out from the rows around it, as in stock."""
    for kind in ("stock", "fast"):
        rows = draw("cartpole-swingup", kind)[0, :, :10, 2].mean(1)  # blue, left of the cart
        edge = np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:])[20:40]
        assert edge.max() > 4 * np.median(edge), kind


@pytest.mark.slow
@needs_dmc()
def test_fast_keeps_the_cups_string():
    """The string is thinner than a pixel, but each of its rows must differ from the wall, as in stock."""
    for kind in ("stock", "fast"):
        hanging = draw("ball_in_cup-catch", kind)[1, 31:35].sum(-1)
        contrast = np.abs(hanging - np.median(hanging, axis=1, keepdims=True)).max(1)
        assert contrast.min() > 50, kind  # one sample a pixel: 16 to 23


@pytest.mark.slow
@needs_dmc()
@pytest.mark.parametrize("grid", [(2, 1), (1, 2), (2, 2)])
def test_a_finer_grid_shows_the_same_scene(grid):
    """The fine drawing is nearer to the plain one than to the plain one moved by a pixel."""
    from dm_control import suite

    images = []
    for asked in ((1, 1), grid):
        environment = suite.load("walker", "walk", task_kwargs={"random": 0})
        with closing(environment):
            images.append(mujoco_rendering.FastCamera(environment.physics, 0, 64, asked).draw().astype(float))
    plain, fine = images
    near = np.abs(plain - fine).mean()
    for axis in (0, 1):
        for by in (-1, 1):
            assert near < 0.7 * np.abs(np.roll(plain, by, axis) - fine).mean()


@needs_dmc()
def test_fast_leaves_the_model_alone():
    with closing(make(EnvConfig("dm_control/walker-walk-v0", rendering="fast"))) as environment:
        visual = environment.unwrapped.physics.model.vis
        assert (visual.global_.offwidth, visual.quality.shadowsize) == (640, 2048)
        assert environment.unwrapped.physics.model.mat_reflectance.max() > 0


@needs_dmc()
@pytest.mark.parametrize("kind", ["stock", "fast"])
def test_images_may_be_larger_than_the_models_buffer(kind):
    assert draw("cartpole-swingup", kind, size=700).shape == (3, 700, 700, 3)
