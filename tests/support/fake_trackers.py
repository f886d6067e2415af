"""Modules in the place of wandb and trackio, which record their calls and know the rules of the real ones."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any


class Run:
    """A run that steps may not fall in, as wandb asks, and that may fail at a step."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options, self.logged, self.finished = options, [], False
        self.fails_at: int | None = None

    def log(self, values: dict[str, Any], step: int) -> None:
        assert not self.logged or step >= self.logged[-1][0]
        if self.fails_at is not None and step >= self.fails_at:
            raise ConnectionError("no route\nto the server")
        shown = {name: value() if callable(value) else value for name, value in values.items()}
        self.logged.append((step, shown))

    def finish(self) -> None:
        self.finished = True


def install(monkeypatch, name: str) -> list[Run]:
    """Put a fake package in the place of a real one. Returns the runs that are begun by it, in their order."""
    module, runs = ModuleType(name), []
    module.__spec__ = type(sys.__spec__)(name, None)

    def init(**options: Any) -> Run:
        runs.append(Run(options))
        return runs[-1]

    def film(source: Any, **options: Any):
        """Read the film when it is logged, as both packages do."""
        return lambda: ("film", Path(source).read_bytes() if isinstance(source, str) else source.read(), options)

    module.init, module.Video = init, film
    module.Image = lambda array: ("image", array.shape)
    monkeypatch.setitem(sys.modules, name, module)
    return runs
