"""Parsing: from the words of a command line to a command, its arguments and its settings.

An option that a command does not declare is a setting of a config by dotted path, if the command takes settings:
`--model.dynamics.deter 400`.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from reverie.config.hints import SYNONYMS, hint
from reverie.errors import UserError, nearest

Texts = dict[str, str]
"""Settings as typed: text by dotted path."""
Run = Callable[[argparse.Namespace, Texts], int]
"""A command: from its arguments and settings to the exit code."""


class Argument:
    """One argument: `RECIPE` is positional, `--size` an option. `options` go to `add_argument` of `argparse`.

    An option that is `many` takes all words up to the next option, as `--seeds 0 1 2`.
    """

    def __init__(self, name: str, help: str, metavar: str | None = None, many: bool = False, **options: Any) -> None:
        self.name, self.flag, self.many = name, options.get("action") == "store_true", many
        options |= {"action": "append", "default": []} if many else {}
        self.options: dict[str, Any] = {"help": help} | ({} if self.flag else {"metavar": metavar or name}) | options


@dataclass(frozen=True)
class Settings:
    """Options that are settings of a config. Their paths begin with one of `first_words`, if there are any."""

    help: str
    first_words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """One command. Its help begins with the docstring of `run`."""

    run: Run
    example: str
    arguments: tuple[Argument, ...] = ()
    settings: Settings | None = None

    @property
    def name(self) -> str:
        return self.example.split()[1]


def command(example: str, *arguments: Argument, settings: Settings | None = None) -> Callable[[Run], Command]:
    """Return a decorator that makes a function a command."""
    return lambda run: Command(run, example, arguments, settings)


USE = Argument("--use", "module with parts of your own, such as my_lab.parts (repeatable)", "MODULE", action="append")


def parse(commands: Mapping[str, Command], words: Sequence[str]) -> tuple[Run, argparse.Namespace, Texts] | None:
    """Return the command that `words` name with its arguments and settings; None where they ask for help.

    Print the help. Raise `UserError` for anything that is not declared.
    """
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview(commands))
        return None
    name, *rest = ["version"] if words[0] == "--version" else words
    if name == "study":
        study = " ".join(rest[:1]) or "NAME"
        raise UserError(f"Studies belong to the repository, not to the package: run `python -m studies {study}` there.")
    if name not in commands:
        raise UserError(f"There is no command `{name}`.{nearest(name, commands)} `reverie --help` lists them.")
    parser = _parser(name, commands[name])
    if "-h" in rest or "--help" in rest:
        parser.print_help()
        return None
    own, settings = _split(name, commands[name], rest)
    return commands[name].run, parser.parse_intermixed_args(own), settings


def overview(commands: Mapping[str, Command]) -> str:
    """Return the help of `reverie` itself: one line for each command."""
    width = max(map(len, commands))
    summaries = {name: (command.run.__doc__ or "").partition(".")[0] for name, command in commands.items()}
    lines = "\n".join(f"  {name:<{width}}  {summary}" for name, summary in summaries.items())
    return (
        "usage: reverie COMMAND ...\n\n"
        "Learn from pixels how a world moves, and act by planning or practicing inside the learned model.\n\n"
        f"{lines}\n\n"
        "`reverie COMMAND --help` explains a command. To begin:\n\n"
        f"  {commands['train'].example}"
    )


def options(command: Command) -> tuple[Argument, ...]:
    """Return the options that the command declares, and those of every command."""
    return (*(argument for argument in command.arguments if argument.name.startswith("--")), USE)


def _split(name: str, command: Command, words: Sequence[str]) -> tuple[list[str], Texts]:
    """Separate the words of the command's own arguments from its settings."""
    declared = {option.name: option for option in options(command)}
    own: list[str] = []
    settings: Texts = {}
    remaining = list(words)
    while remaining:
        word = remaining.pop(0)
        option, equals, text = word.partition("=")
        path = option.removeprefix("--").replace("-", "_")
        if not option.startswith("--"):
            own.append(word)
            continue
        if option not in declared and not _is_setting(path, command, declared):
            first_words = command.settings.first_words if command.settings else ()
            known = [*(option.removeprefix("--") for option in declared), *first_words]
            suggestion = f"{hint(path, known, prefix='--')} `reverie {name} --help` lists them."
            raise UserError(f"`reverie {name}` has no option `{option}`.{suggestion}")
        if option in declared and declared[option].flag:
            if equals:
                raise UserError(f"The option `{option}` takes no value: leave `={text}` out.")
            own.append(option)
            continue
        if not equals:
            text = remaining.pop(0) if remaining else "--"
        if text.startswith("--"):
            raise UserError(f"The option `{option}` needs a value: `{option} VALUE`.")
        if option in declared:
            own.append(f"{option}={text}")
            while declared[option].many and remaining and not remaining[0].startswith("--"):
                own.append(f"{option}={remaining.pop(0)}")
        else:
            settings[path] = text
    return own, settings


def _is_setting(path: str, command: Command, declared: Mapping[str, Argument]) -> bool:
    """Return whether the command takes this setting. A synonym of a declared option (`env` for `env.id`) is none."""
    if command.settings is None or any(f"--{name}" in declared for name in SYNONYMS.get(path, ())):
        return False
    return not command.settings.first_words or path.split(".")[0] in command.settings.first_words


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"`{self.prog}`: {message}; `{self.prog} --help` explains.")


def _parser(name: str, command: Command) -> _Parser:
    settings = f"\n\n{command.settings.help}" if command.settings else ""
    parser = _Parser(
        prog=f"reverie {name}",
        description=command.run.__doc__,
        epilog=f"example:\n  {command.example}{settings}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for argument in (*command.arguments, USE):
        is_option = argument.name.startswith("--")
        parser.add_argument(argument.name if is_option else argument.name.lower(), **argument.options)
    return parser
