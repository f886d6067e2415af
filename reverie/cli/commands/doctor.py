"""`reverie doctor`: what this machine has for a run, and the commands that install what it lacks."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from reverie.cli.parsing import Texts, command
from reverie.config import plugins
from reverie.errors import UserError

_PACKAGES = ("torch", "numpy", "gymnasium", "mujoco", "dm_control", "opencv-python-headless", "av", "tensorboard")
_EXTRAS = {
    "dmc": "tasks of DeepMind Control (`dm_control/walker-walk-v0`)",
    "rope": "rope and cloth worlds (`reverie/Rope-v0`)",
    "atari": "Atari games (`ALE/Pong-v5`)",
    "minatar": "small Atari games (`MinAtar/Breakout-v1`)",
    "data": "datasets of Minari",
    "lerobot": "datasets of LeRobot",
    "play": "playing inside a model in a browser (`reverie play RUN`)",
    "cluster": "sweeps on a Ray cluster (`reverie sweep FOLDER --on ray`)",
    "compare": "the page of `reverie compare`",
    "hub": "runs on the Hub of Hugging Face (`reverie push`, `hf:user/name`)",
    "onnx": "agents as programs of ONNX (`reverie export RUN --to onnx`)",
    "wandb": "the log in Weights & Biases (`--log wandb`)",
    "trackio": "the log in Trackio (`--log trackio`)",
    "dev": "tests and checks of Reverie itself",
    "docs": "the documentation as a website",
}
_GL_PROBE = """
import mujoco
model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>")
with mujoco.Renderer(model, 32, 32) as renderer:
    renderer.update_scene(mujoco.MjData(model))
    renderer.render()
"""
_GIB = 2**30


class Finding(NamedTuple):
    """One line of the report. `good` is None for a mere fact."""

    name: str
    text: str
    good: bool | None = None


@command("reverie doctor")
def doctor(_arguments: Namespace, _: Texts) -> int:
    """Report what this machine has and lacks."""
    for examine in (versions, devices, rendering, room, extras, plug_ins):
        print(examine.__name__.replace("_", "-"))
        for name, text, good in examine():
            print(f"  {'  ' if good is None else 'ok' if good else '--'} {name:<24} {text}", flush=True)
        print()
    return 0


def versions() -> Iterator[Finding]:
    yield Finding("reverie", _version("reverie") or "not installed: run `pip install -e .`")
    yield Finding("python", f"{platform.python_version()} on {platform.platform()}")
    for name in _PACKAGES:
        version = _version(name)
        yield Finding(name, version or "not installed", bool(version))


def devices() -> Iterator[Finding]:
    import torch

    from reverie.data.recording import available_cores

    yield Finding("cpu", f"{available_cores()} cores, torch uses {torch.get_num_threads()} threads", True)
    if not torch.cuda.is_available():
        yield Finding("cuda", "no GPU that torch can use; recipes of `--size laptop` do without")
    for index in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(index)
        yield Finding(f"cuda:{index}", f"{gpu.name}, {gpu.total_memory / _GIB:.0f} GiB", True)


def rendering(probe: str = _GL_PROBE, seconds: float = 60.0) -> Iterator[Finding]:
    """Draw with each GL backend in its own process, because a broken driver may crash or hang."""
    if not _version("mujoco"):
        yield Finding("mujoco", "not installed, so there is nothing to draw with; see extras below")
        return
    yield Finding("MUJOCO_GL", os.environ.get("MUJOCO_GL", "not set"))

    def draw(backend: str) -> Finding:
        environment = {**os.environ, "MUJOCO_GL": backend}
        command = [sys.executable, "-c", probe]
        try:
            ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return Finding(backend, f"drew nothing within {seconds:.0f} s", False)
        last_line = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
        return Finding(
            backend, f"does not draw: {last_line[:80]}" if ended.returncode else "draws", not ended.returncode
        )

    with ThreadPoolExecutor() as pool:
        backends = list(pool.map(draw, ("egl", "osmesa", "glfw")))
    yield from backends
    if not any(backend.good for backend in backends):
        fix = "on Debian or Ubuntu: `apt-get install libegl1 libgl1-mesa-dri libopengl0`"
        yield Finding("fix", f"no backend draws; {fix}", False)


def room() -> Iterator[Finding]:
    import torch

    from reverie.data.storage import available_memory

    memory, disk = available_memory(torch.device("cpu")), shutil.disk_usage(".").free
    images = "as much as {:,} images of 64x64 in a replay".format
    yield Finding("memory", f"{memory / _GIB:.1f} GiB free, {images(memory // 12_288)}", memory > 2 * _GIB)
    text = f"{disk / _GIB:.1f} GiB free in {Path.cwd()}, {images(disk // 12_288)} (`--replay.storage disk`)"
    yield Finding("disk", text, disk > 5 * _GIB)


def extras() -> Iterator[Finding]:
    """Yield each extra of the installed package, with its missing packages and those of a wrong version."""
    from packaging.requirements import Requirement

    try:
        package = importlib.metadata.metadata("reverie")
    except importlib.metadata.PackageNotFoundError:
        return
    requirements = [Requirement(text) for text in package.get_all("Requires-Dist") or []]
    for extra in package.get_all("Provides-Extra") or []:
        needed = [one for one in requirements if one.marker is not None and one.marker.evaluate({"extra": extra})]
        problems = []
        for requirement in needed:
            version = _version(requirement.name)
            if version is None:
                problems.append(f"{requirement.name} is missing")
            elif not requirement.specifier.contains(version, prereleases=True):
                problems.append(f"{requirement.name} is {version}, not {requirement.specifier}")
        state = ", ".join(problems) or "installed"
        yield Finding(extra, f"{_EXTRAS.get(extra, 'more')}: {state} (`pip install 'reverie[{extra}]'`)", not problems)


def plug_ins() -> Iterator[Finding]:
    """Import each package that adds parts."""
    for name, point in plugins.installed().items():
        try:
            plugins.load(name)
            yield Finding(name, f"{point.module} {_version(name) or ''}".rstrip(), True)
        except UserError as error:
            yield Finding(name, str(error), False)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
