"""`reverie doctor`: what this machine has for a run, and the command that installs what it lacks."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

from reverie.config import plugins

_SHOWN = ("torch", "numpy", "gymnasium", "mujoco", "dm_control", "opencv-python-headless", "av", "tensorboard")
_EXTRAS = {
    "dmc": "the DeepMind Control tasks (`dm_control/walker-walk-v0`)",
    "rope": "the rope and cloth worlds (`reverie/Rope-v0`)",
    "atari": "the Atari games (`ALE/Pong-v5`)",
    "minatar": "the MinAtar games",
    "data": "offline data sets from Minari",
    "dev": "what the tests and checks of Reverie itself need",
}
_GL_BACKENDS = ("egl", "osmesa", "glfw")
_GL_SECONDS = 60.0
_GL_PROBE = """
import mujoco
model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>")
with mujoco.Renderer(model, 32, 32) as renderer:
    renderer.update_scene(mujoco.MjData(model))
    renderer.render()
"""
_GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """One line of the report. `good` is None for a mere fact."""

    section: Literal["versions", "devices", "rendering", "room", "extras", "plug-ins"]
    name: str
    text: str
    good: bool | None = None


def examine(folder: Path | None = None) -> Iterator[Finding]:
    """Examine this machine and yield each finding at once. `folder` is where runs would be written."""
    yield from _versions()
    yield from _devices()
    yield from _rendering()
    yield from _room(folder or Path.cwd())
    yield from _extras()
    yield from _plugins()


def report(findings: Iterator[Finding]) -> None:
    """Print findings as they come, a section at a time."""
    section = None
    for finding in findings:
        if finding.section != section:
            print(f"{'' if section is None else chr(10)}{finding.section}")
            section = finding.section
        mark = {True: "ok", False: "--", None: "  "}[finding.good]
        print(f"  {mark} {finding.name:<24} {finding.text}", flush=True)


def _versions() -> Iterator[Finding]:
    yield Finding("versions", "reverie", _version("reverie") or "not installed: run `pip install -e .`")
    yield Finding("versions", "python", f"{platform.python_version()} on {platform.platform()}")
    for name in _SHOWN:
        version = _version(name)
        yield Finding("versions", name, version or "not installed", bool(version))


def _devices() -> Iterator[Finding]:
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("devices", "cpu", f"{cores} cores, torch uses {torch.get_num_threads()} threads", True)
    if not torch.cuda.is_available():
        yield Finding("devices", "cuda", "no GPU that torch can use; `--size laptop` recipes do without")
        return
    for index in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(index)
        yield Finding("devices", f"cuda:{index}", f"{gpu.name}, {gpu.total_memory / _GIB:.0f} GiB", True)


def _rendering(probe: str = _GL_PROBE, seconds: float = _GL_SECONDS) -> Iterator[Finding]:
    """Draw with each GL backend in a process of its own, since a broken driver may crash or hang."""
    if not _version("mujoco"):
        yield Finding("rendering", "mujoco", "not installed, so nothing to draw with; see extras below")
        return
    yield Finding("rendering", "MUJOCO_GL", os.environ.get("MUJOCO_GL", "not set"))
    with ThreadPoolExecutor() as pool:
        reasons = list(pool.map(lambda backend: _why_not(backend, probe, seconds), _GL_BACKENDS))
    for backend, reason in zip(_GL_BACKENDS, reasons):
        yield Finding("rendering", backend, reason or "draws", reason is None)
    if all(reasons):
        fix = "on Debian or Ubuntu: `apt-get install libegl1 libgl1-mesa-dri libopengl0`"
        yield Finding("rendering", "fix", f"no backend draws; {fix}", False)


def _why_not(backend: str, probe: str, seconds: float) -> str | None:
    """Why this backend does not draw; None if it does."""
    environment = {**os.environ, "MUJOCO_GL": backend}
    command = [sys.executable, "-c", probe]
    try:
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"drew nothing within {seconds:.0f} s"
    last_line = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
    return f"does not draw: {last_line[:80]}" if ended.returncode else None


def _room(folder: Path) -> Iterator[Finding]:
    memory = _free_memory()
    if memory is not None:
        text = f"{memory / _GIB:.1f} GiB free"
        yield Finding("room", "memory", text, memory > 2 * _GIB)
    disk = shutil.disk_usage(folder).free
    yield Finding("room", "disk", f"{disk / _GIB:.1f} GiB free in {folder}", disk > 5 * _GIB)


def _free_memory() -> int | None:
    """Bytes that a new process can have; None where the system does not report them."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    group = Path("/sys/fs/cgroup")  # inside a container, its own limit counts
    try:
        limit = int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
    except (OSError, ValueError):
        return free
    return min(free, limit)


def _extras() -> Iterator[Finding]:
    """Each extra that the package declares, with its missing packages and those of a wrong version."""
    from packaging.requirements import Requirement

    try:
        package = importlib.metadata.metadata("reverie")
    except importlib.metadata.PackageNotFoundError:
        return
    requirements = [Requirement(text) for text in package.get_all("Requires-Dist") or []]
    for extra in package.get_all("Provides-Extra") or []:
        problems = []
        for requirement in requirements:
            if requirement.marker is None or not requirement.marker.evaluate({"extra": extra}):
                continue
            version = _version(requirement.name)
            if version is None:
                problems.append(f"{requirement.name} is missing")
            elif not requirement.specifier.contains(version, prereleases=True):
                problems.append(f"{requirement.name} is {version}, not {requirement.specifier}")
        gives = _EXTRAS.get(extra, "more")
        fix = f"; {', '.join(problems)}: run `pip install 'reverie[{extra}]'`" if problems else ""
        yield Finding("extras", extra, gives + fix, not problems)


def _plugins() -> Iterator[Finding]:
    """Each installed package that adds parts, Reverie's own environments first, and whether it can be imported."""
    modules = {"reverie_worlds": "reverie_worlds"} | {name: point.module for name, point in plugins.installed().items()}
    for name, module in modules.items():
        try:
            import_module(module)
        except Exception as error:
            yield Finding("plug-ins", name, f"cannot be imported: {type(error).__name__}: {error}", False)
        else:
            yield Finding("plug-ins", name, f"{module} {_version(name) or ''}".rstrip(), True)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
