"""Parts from other packages: found by entry points, or named by the user. A file can name code, never bring it.

A package says in its pyproject.toml which module defines its parts:

    [project.entry-points."reverie"]
    my_lab = "my_lab.parts"

Entry points are imported when a name is asked for that Reverie itself does not know. `use` (`--use` on the command
line) imports a module that is no installed plug-in. Nothing else is ever imported because a file names it.
"""

import functools
import importlib
import importlib.util
import sys
from importlib import metadata
from pathlib import Path

from reverie.errors import UserError, nearest

GROUP = "reverie"
WORLDS = "reverie_worlds"
OWN = ("reverie", WORLDS)
"""Packages of this distribution: their parts need no plug-in."""

_used: dict[str, str] = {}
"""Top package, or script, of each module that was named by `use`: what to name it by in a file."""


def use(module: str) -> None:
    """Import `module` (`my_lab.parts`, or a file `parts.py`), which defines parts. UserError where that fails."""
    try:
        if module.endswith(".py"):
            name = _run_script(Path(module))
        else:
            if "" not in sys.path and str(Path.cwd()) not in sys.path:
                sys.path.append(str(Path.cwd()))  # a module that lies where the command runs
            importlib.import_module(module)
            name = module
    except UserError:
        raise
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name in (module, module.split(".")[0])
        raise _broken(
            module, error, "install its package, or run where it lies" if missing else "mend it, or leave it out"
        ) from error
    _used[name.split(".")[0]] = module


def used() -> tuple[str, ...]:
    """The modules that were named by `use`, for processes that must know the same parts."""
    return tuple(_used.values())


def _run_script(path: Path) -> str:
    """Import a file under its own name, once."""
    if not path.is_file():
        raise UserError(f"There is no file {path} that could be used: name a module, or a file that exists.")
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    if name not in sys.modules or getattr(sys.modules[name], "__file__", None) != str(path):
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return name


def installed() -> dict[str, metadata.EntryPoint]:
    """The plug-ins that are installed, by name. UserError where two packages claim one name."""
    named: dict[str, metadata.EntryPoint] = {}
    for point in metadata.entry_points(group=GROUP):
        other = named.get(point.name)
        if other is not None and other.value != point.value:
            raise UserError(
                f"Two packages claim the plug-in name {point.name}: {other.value} and {point.value}; uninstall one."
            )
        named[point.name] = point
    if WORLDS not in named and importlib.util.find_spec(WORLDS):  # a checkout that was not installed
        named[WORLDS] = metadata.EntryPoint(WORLDS, WORLDS, GROUP)
    return named


@functools.cache
def load(name: str) -> None:
    """Import an installed plug-in. UserError where it fails."""
    point = installed()[name]
    try:
        importlib.import_module(point.module)
    except UserError:
        raise
    except Exception as error:
        raise _broken(f"{name} ({point.value})", error, "mend it, or uninstall it") from error


def load_installed() -> None:
    """Import every installed plug-in, so that its parts can be chosen."""
    for name in installed():
        load(name)


def require(name: str, part: str) -> None:
    """Load the plug-in that a file names for `part`, if it is installed or was named by `use`; else UserError."""
    if name in ("__main__", _script()) or Path(name).name in (Path(module).name for module in _used.values()):
        return
    points = installed()
    if name not in points:
        raise UserError(
            f"This needs the plug-in {name}, which has the part {part}: install it, or name its module by "
            f"--use MODULE (in Python `reverie.use`).{nearest(name, points)}"
        )
    load(name)


def plugin_of(part: type) -> str | None:
    """The name by which a file refers to the package of a part; None for Reverie's own parts."""
    package = part.__module__.split(".")[0]
    if package in OWN:
        return None
    if package in _used:
        return _used[package]
    for name, point in installed().items():
        if point.module.split(".")[0] == package:
            return name
    return _script() if package == "__main__" else part.__module__


def _script() -> str:
    """The name of the running script, which may define parts itself; `__main__` in a notebook."""
    return Path(getattr(sys.modules["__main__"], "__file__", None) or "__main__").name


def _broken(plugin: str, error: Exception, fix: str) -> UserError:
    """What a plug-in that raised `error` while it was imported means to the user: its first line, and the fix."""
    reason = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
    return UserError(f"The plug-in {plugin} cannot be imported ({reason}): {fix}.")
