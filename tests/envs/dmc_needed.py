"""Skips DeepMind Control's tests, with the reason, where the extra or OpenGL is missing."""

import importlib.util

import pytest

from reverie.envs.rendering import choose_gl

MISSING = [name for name in ("mujoco", "dm_control") if importlib.util.find_spec(name) is None]


def needs_dmc() -> pytest.MarkDecorator:
    reason = f"{' and '.join(MISSING)} not installed" if MISSING else "no OpenGL to draw with"
    return pytest.mark.skipif(bool(MISSING) or choose_gl() is None, reason=reason)
