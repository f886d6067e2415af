"""Skips tests of DeepMind Control, or of what needs MuJoCo alone, with the reason, where something is missing."""

import importlib.util

import pytest

from reverie.envs.mujoco_rendering import choose_gl

MISSING = [name for name in ("mujoco", "dm_control") if importlib.util.find_spec(name) is None]


def needs_dmc() -> pytest.MarkDecorator:
    reason = f"{' and '.join(MISSING)} not installed" if MISSING else "no OpenGL to draw with"
    return pytest.mark.skipif(bool(MISSING) or choose_gl() is None, reason=reason)


def needs_mujoco() -> pytest.MarkDecorator:
    return pytest.mark.skipif("mujoco" in MISSING, reason="mujoco not installed")
