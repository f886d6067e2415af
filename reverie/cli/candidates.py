"""What the tab key offers: the words that can stand in one place of a command line. Imports nothing heavy."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reverie.cli import names
from reverie.cli.commands.check import KINDS
from reverie.cli.commands.completion import SHELLS
from reverie.cli.parsing import Command, options


def candidates(commands: Mapping[str, Command], words: Sequence[str]) -> list[str]:
    """The words that the last of `words` can become; `words` are those after `reverie`, the last may be empty."""
    *before, begun = words or [""]
    if not before:
        return _beginning(begun, commands)
    name, *rest = before
    if name not in commands:
        return []
    command, cached = commands[name], names.read()
    declared = {option.name: option for option in options(command)}
    if begun.startswith("--"):
        recipe = next((word for word in rest if word in cached.get("settings", ())), None)
        settings = cached["settings"][recipe] if recipe and command.settings else []
        return _beginning(begun, [*declared, "--help", *(f"--{path}" for path in settings)])
    previous = before[-1]
    if previous.startswith("--") and not (previous in declared and declared[previous].flag):
        return _beginning(begun, _values(previous, cached))
    places = [argument.name for argument in command.arguments if not argument.name.startswith("--")]
    return _beginning(begun, _values(places[len(rest)], cached)) if len(rest) < len(places) else []


def _values(argument: str, cached: Mapping[str, Any]) -> Iterable[str]:
    """The values that can be offered for an option or a place."""
    by_argument: dict[str, Iterable[str]] = {
        "RECIPE": cached.get("settings", ()),
        "ID": cached.get("envs", ()),
        "--env.id": cached.get("envs", ()),
        "--size": cached.get("sizes", ()),
        "--device": ("auto", "cpu", "cuda"),
        "KIND": (*KINDS, "env"),
        "SHELL": SHELLS,
    }
    return by_argument.get(argument, ())


def _beginning(begun: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(begun)]
