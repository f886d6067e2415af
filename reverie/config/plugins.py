"""Parts of other packages. A package names the module with its parts in its pyproject.toml:

    [project.entry-points."reverie"]
    my_lab = "my_lab.parts"

A name that Reverie lacks loads these entry points. `use` (`--use` at the terminal) imports any other module. A file
that names a module never imports it.
"""

import functools
import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from reverie.errors import UserError, nearest

GROUP = "reverie"
WORLDS = "reverie_worlds"
OWN = ("reverie", WORLDS)
"""Packages of this distribution: their parts need no plug-in."""

_used: dict[str, str] = {}
"""Modules that `use` has imported: the top package or the script -> the name as given, which a file records."""
_named_by_folders: set[str] = set()
"""Modules in the ids of environments, `module:Env-v0`, that were read from a folder of unknown origin."""


@contextmanager
def explain_errors(what: str, fix: str) -> Iterator[None]:
    """Turn an error of a user's code into a `UserError`: what failed, the first line of the error, and the fix."""
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # a script that is imported may end the process
        reason = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
        raise UserError(f"{what} ({reason}): {fix}.") from error


def use(module: str) -> None:
    """Import a module with parts (`my_lab.parts`, or a file `parts.py`). Raise `UserError` where that fails."""
    name, fix = module, "mend it, or leave it out"
    if script := module.endswith(".py"):
        name = Path(module).stem
        if not Path(module).is_file():
            raise UserError(f"There is no file {module} that could be used: name a module, or a file that exists.")
    else:
        add_current_folder()
        if importlib.util.find_spec(name.split(".")[0]) is None:
            fix = "install its package, or run where it lies"
    with explain_errors(f"The plug-in {module} cannot be imported", fix):
        if script:
            _import_script(name, module)
        else:
            importlib.import_module(module)
    _used[name.split(".")[0]] = module


def add_current_folder() -> None:
    """Let modules in the current folder be imported, as `python` does and a console script does not."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))


def distrust(text: str) -> None:
    """Note the module of an environment's id that was read from a folder of unknown origin."""
    if match := re.fullmatch(r"([A-Za-z_][\w.]*):[\w/.-]+-v\d+", text):
        _named_by_folders.add(match[1])


def trust(env_id: str) -> None:
    """Trust the module of an id that the user has typed."""
    _named_by_folders.discard(env_id.rpartition(":")[0])


def require_trust(env_id: str) -> None:
    """Raise `UserError` where an id would import a module that a folder names, and that nothing has imported yet."""
    module = env_id.rpartition(":")[0]
    if module in _named_by_folders and module not in sys.modules:
        raise UserError(
            f"The folder names the environment {env_id}, which would import the module {module}: if you trust it, add "
            f"--use {module} (in Python `reverie.use('{module}')`)."
        )


def used() -> tuple[str, ...]:
    """Return the modules that `use` has imported, for processes that need the same parts."""
    return tuple(_used.values())


def _import_script(name: str, file: str) -> None:
    """Import a file under its own name, once."""
    if getattr(sys.modules.get(name), "__file__", None) == file:
        return
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def installed() -> dict[str, metadata.EntryPoint]:
    """Return the installed plug-ins by name. Raise `UserError` where two packages claim one name."""
    named: dict[str, metadata.EntryPoint] = {}
    for point in metadata.entry_points(group=GROUP):
        other = named.setdefault(point.name, point)
        if other.value != point.value:
            raise UserError(
                f"Two packages claim the plug-in name {point.name}: {other.value} and {point.value}; uninstall one."
            )
    if WORLDS not in named and importlib.util.find_spec(WORLDS):  # a checkout that was not installed
        named[WORLDS] = metadata.EntryPoint(WORLDS, WORLDS, GROUP)
    return named


@functools.cache
def load(name: str) -> None:
    """Import an installed plug-in. Raise `UserError` where that fails."""
    point = installed()[name]
    with explain_errors(f"The plug-in {name} ({point.value}) cannot be imported", "mend it, or uninstall it"):
        importlib.import_module(point.module)


def load_installed() -> None:
    """Import every installed plug-in, so that its parts can be chosen."""
    for name in installed():
        load(name)


def require(name: str, part: str) -> None:
    """Load the plug-in that a file names for `part`. Raise `UserError` where it is neither installed nor in use."""
    if name in ("__main__", _script()) or Path(name).name in (Path(module).name for module in used()):
        return
    points = installed()
    if name not in points:
        raise UserError(
            f"This needs the plug-in {name}, which has the part {part}: install it, or name its module by "
            f"--use MODULE (in Python `reverie.use`).{nearest(name, points)}"
        )
    load(name)


def plugin_of(part: type) -> str | None:
    """Return the name that a file records for the package of a part; None for Reverie's own parts."""
    package = part.__module__.split(".")[0]
    if package in OWN:
        return None
    if package in _used:
        return _used[package]
    names = (name for name, point in installed().items() if point.module.split(".")[0] == package)
    return next(names, _script() if package == "__main__" else part.__module__)


def _script() -> str:
    """Return the name of the running script, which may define parts itself; `__main__` in a notebook."""
    return Path(getattr(sys.modules["__main__"], "__file__", None) or "__main__").name
