"""MuJoCo's pixels: the choice of OpenGL, and two cameras, one as dm_control draws and one much faster.

Departures of `fast` from `stock`: no shadows, no reflections, round bodies of 6 x 4 facets, and one sample a pixel
where stock takes four. Four samples cost as much time again. One sample loses a part that is thinner than a pixel. So
the cartpole's rail is drawn with twice as many rows, the cup's string with twice as many rows and columns, averaged.

| measured by `bench/envs.py`, 64 x 64, software OpenGL | cartpole | cheetah | walker |
|---|---|---|---|
| mean pixel change against stock, of 255 | 1.9 | 1.7 | 9.7 (its floor's reflection and shading) |

Observations come 23 to 40 times as fast as from `physics.render`.
"""

import ctypes
import ctypes.util
import os
import sys
from contextlib import ExitStack
from typing import Any

import cv2
import numpy as np

from reverie.errors import UserError

QUALITY = {"shadowsize": 0, "offsamples": 0, "numslices": 6, "numstacks": 4, "numquads": 1}
"""Settings of `fast`. With fewer slices and stacks of a sphere limbs look angular; 8 x 6 is a tenth slower."""
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


def require_gl() -> None:
    """`choose_gl()`, or a UserError that names the packages to install."""
    if choose_gl() is None:
        raise UserError(
            "No OpenGL was found to draw with: on Debian or Ubuntu run `apt-get install libegl1"
            " libgl1-mesa-dri libopengl0`, or observe numbers in place of pixels with --env.observe state."
        )


def _egl_works() -> bool:
    """Return whether an EGL device can be initialized, by the C library: importing MuJoCo would fix the choice."""
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

    Each pixel is the mean of `grid` rows and columns. Make this camera before any other of its physics: MuJoCo reads
    the quality settings once, when it makes a physics' OpenGL context. The model itself is left as it was.
    """

    def __init__(self, physics: Any, camera: int, size: int, grid: tuple[int, int]) -> None:
        from dm_control.mujoco import engine

        self._size, self._grid = size, grid
        height, width = grid[0] * size, grid[1] * size
        parts = {"global_": {"offwidth": width, "offheight": height}, "quality": QUALITY}
        with ExitStack() as after:
            for part, settings in parts.items():
                visual = getattr(physics.model.vis, part)
                for name, value in settings.items():
                    after.callback(setattr, visual, name, getattr(visual, name))
                    setattr(visual, name, value)
            self._camera = engine.Camera(physics, height, width, camera, scene_callback=_make_square)

    def draw(self) -> np.ndarray:
        """Draw the physics' present state as a new uint8 (size, size, 3)."""
        image = self._camera.render(render_flag_overrides={"shadow": False, "reflection": False})
        if self._grid == (1, 1):
            return np.array(image, order="C")  # the camera draws into one buffer, upside down
        return cv2.resize(image, (self._size, self._size), interpolation=cv2.INTER_AREA)


def _make_square(physics: Any, scene: Any) -> None:
    """Make the scene as wide as high, whatever the shape of the buffer. Its pixels need not be square."""
    for camera in scene.camera:
        camera.frustum_width = (camera.frustum_top - camera.frustum_bottom) / 2


class RenderCamera(StockCamera):
    """Stock frames of size `FRAME` for `render`, even of a physics whose own OpenGL context is fast."""

    def __init__(self, physics: Any, camera: int) -> None:
        from dm_control.mujoco import engine

        self._source, self._copy = physics, engine.Physics.from_model(physics.model)
        super().__init__(self._copy, camera, *FRAME)

    def draw(self) -> np.ndarray:
        import mujoco

        source, copy = self._source, self._copy.data.ptr
        mujoco.mj_copyData(copy, source.model.ptr, source.data.ptr)  # pyrefly: ignore
        return super().draw()

    def close(self) -> None:
        self._copy.free()
