"""MuJoCo's pixels: the choice of OpenGL, and two cameras, one as dm_control draws and one much faster.

Departures of `fast` from `stock`: no shadows, no reflections, round bodies of 6 x 4 facets, and one sample a pixel
where stock takes four. Four samples cost as much time again. Where a part is thinner than a pixel, one would lose it:
the cartpole's rail needs twice as many rows, the cup's string twice as many rows and columns, averaged.

Measured (`bench/envs.py`, 64 x 64, software OpenGL): the mean pixel change against stock is 1.9 / 1.7 / 9.7
of 255 for cartpole, cheetah and walker, the walker's nearly all in the reflection and shading of its floor;
observations come 23 to 40 times as fast as from `physics.render`.
"""

import ctypes
import ctypes.util
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np

from reverie.errors import UserError

FACETS = (6, 4)
"""Slices and stacks of a sphere in `fast`. Fewer make limbs angular to the eye; 8 x 6 is a tenth slower."""
FRAME = (240, 320)
"""Height and width of a frame of `render`: dm_control's own default."""


def choose_gl() -> str | None:
    """Set `MUJOCO_GL` unless the user has, and return it; None where there is nothing to draw with.

    Must run before mujoco or dm_control are imported: they read the variable once. EGL goes first, as it
    uses a GPU where there is one and Mesa's software elsewhere, and needs no display. Other systems than
    Linux have one OpenGL, which MuJoCo finds.
    """
    if "MUJOCO_GL" in os.environ:
        return os.environ["MUJOCO_GL"]
    if not sys.platform.startswith("linux"):
        return "native"
    if _egl_works():
        backend = "egl"
    elif ctypes.util.find_library("OSMesa"):
        backend = "osmesa"
    elif os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        backend = "glfw"
    else:
        return None
    os.environ["MUJOCO_GL"] = backend
    return backend


def require_gl() -> str:
    """`choose_gl()`, or a UserError that names the packages to install."""
    backend = choose_gl()
    if backend is None:
        raise UserError(
            "No OpenGL was found to draw with: on Debian or Ubuntu run `apt-get install libegl1"
            " libgl1-mesa-dri libopengl0`, or observe numbers in place of pixels with --env.observe state."
        )
    return backend


def _egl_works() -> bool:
    """Whether an EGL device can be initialized here. The C library is asked, because importing would be too late."""
    try:
        ctypes.CDLL("libOpenGL.so.0")
        egl = ctypes.CDLL("libEGL.so.1")
    except OSError:
        return False
    handle = ctypes.c_void_p
    egl.eglGetProcAddress.restype = handle
    query_address = egl.eglGetProcAddress(b"eglQueryDevicesEXT")
    display_address = egl.eglGetProcAddress(b"eglGetPlatformDisplayEXT")
    if not query_address or not display_address:
        return False
    query_devices = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.POINTER(handle), handle)(query_address)
    platform_display = ctypes.CFUNCTYPE(handle, ctypes.c_uint, handle, handle)(display_address)
    devices, count = (handle * 16)(), ctypes.c_int(0)
    if not query_devices(len(devices), devices, ctypes.byref(count)):
        return False
    egl_platform_device = 0x313F  # EGL_PLATFORM_DEVICE_EXT
    displays = [platform_display(egl_platform_device, device, None) for device in devices[: count.value]]
    return any(display and egl.eglInitialize(handle(display), None, None) for display in displays)


class StockCamera:
    """The pixels of dm_control's `physics.render(height, width, camera_id=camera)`, bit for bit.

    It is built once: `physics.render` builds one per call, which costs a sixth of the time.
    """

    def __init__(self, physics: Any, camera: int, height: int, width: int) -> None:
        from dm_control.mujoco import engine

        size = physics.model.vis.global_
        size.offheight, size.offwidth = max(height, size.offheight), max(width, size.offwidth)
        self._camera = engine.Camera(physics, height, width, camera)

    def draw(self) -> np.ndarray:
        """Draw the physics' present state as a new uint8 (height, width, 3)."""
        return np.array(self._camera.render(), order="C")  # the camera draws into one buffer, upside down


class FastCamera:
    """The `fast` pixels of a dm_control `physics`: uint8 (size, size, 3). See the module's docstring.

    `grid` is how many rows and columns are drawn for each pixel, which is their mean.

    MuJoCo reads the quality settings once, when a physics' OpenGL context is made, so this must come
    before anything else draws that physics. The model itself is left as it was.
    """

    def __init__(self, physics: Any, camera: int, size: int, grid: tuple[int, int]) -> None:
        from dm_control.mujoco import engine

        self._size, self._averaged = size, grid != (1, 1)
        height, width = grid[0] * size, grid[1] * size
        with _settings(physics.model.vis, height, width):
            self._camera = engine.Camera(physics, height, width, camera, scene_callback=_square)  # makes the context
        flags, mujoco = self._camera.scene.ptr.flags, _mujoco()
        flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
        flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False

    def draw(self) -> np.ndarray:
        """Draw the physics' present state as a new uint8 (size, size, 3)."""
        image = self._camera.render()  # one buffer, upside down
        if not self._averaged:
            return np.array(image, order="C")
        return cv2.resize(image, (self._size, self._size), interpolation=cv2.INTER_AREA)


def _square(physics: Any, scene: Any) -> None:
    """Make the scene as wide as high, whatever the shape of the buffer. Its pixels need not be square."""
    for camera in scene.camera:
        camera.frustum_width = (camera.frustum_top - camera.frustum_bottom) / 2


class RenderCamera:
    """Stock frames of size `FRAME` for `render`, even of a physics whose own OpenGL context is fast."""

    def __init__(self, physics: Any, camera: int) -> None:
        from dm_control.mujoco import engine

        self._source = physics
        self._physics = engine.Physics.from_model(physics.model)
        self._camera = StockCamera(self._physics, camera, *FRAME)

    def draw(self) -> np.ndarray:
        _mujoco().mj_copyData(self._physics.data.ptr, self._source.model.ptr, self._source.data.ptr)
        return self._camera.draw()

    def close(self) -> None:
        self._physics.free()


def _mujoco() -> Any:
    """Import mujoco, untyped: type checkers cannot see the names in its C part."""
    return importlib.import_module("mujoco")


@contextmanager
def _settings(visual: Any, height: int, width: int) -> Iterator[None]:
    """Apply the fast quality settings while an OpenGL context is made."""
    slices, stacks = FACETS
    quality = {"shadowsize": 0, "offsamples": 0, "numslices": slices, "numstacks": stacks, "numquads": 1}
    values = [(visual.global_, "offwidth", width), (visual.global_, "offheight", height)]
    values += [(visual.quality, name, value) for name, value in quality.items()]
    before = [(part, name, getattr(part, name)) for part, name, _ in values]
    for part, name, value in values:
        setattr(part, name, value)
    try:
        yield
    finally:
        for part, name, value in before:
            setattr(part, name, value)
