"""Parsing: from the words of a command line to a command, its arguments and its settings.

Options that a command does not declare are settings of a config by dotted path, if the command takes any:
`--model.dynamics.deter 400`.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from reverie.config.hints import SYNONYMS, hint
from reverie.errors import UserError, nearest


@dataclass(frozen=True)
class Argument:
    """One argument: `RECIPE` is positional, `[FILTER]` an optional positional, `--size` an option.

    A `flag` takes no value. A `repeated` option collects its values in a list.
    """

    name: str
    help: str
    metavar: str | None = None
    type: Callable[[str], Any] = str
    default: Any = None
    flag: bool = False
    repeated: bool = False


@dataclass(frozen=True)
class Settings:
    """Options that are settings of a config. `first_words` limits how their paths begin; None allows any path."""

    help: str
    first_words: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Command:
    """`run` takes the parsed arguments and the texts of the settings by dotted path; it returns the exit code."""

    run: Callable[[argparse.Namespace, dict[str, str]], int]
    summary: str
    example: str
    arguments: tuple[Argument, ...] = ()
    settings: Settings | None = None


Parsed = tuple[Callable[[argparse.Namespace, dict[str, str]], int], argparse.Namespace, dict[str, str]]
"""What to call, and the two values to call it with."""

USE = Argument(
    "--use", "import a module with parts of your own first: my_lab.parts (repeatable)", "MODULE", repeated=True
)
_HELP = ("-h", "--help")


def parse(commands: Mapping[str, Command], words: Sequence[str]) -> Parsed:
    """Find the command that `words` name and parse the rest by its declaration.

    A request for help becomes a function that prints it. Raises `UserError` for anything not declared.
    """
    if not words or words[0] in (*_HELP, "help"):
        return _print_text, argparse.Namespace(text=overview(commands), use=()), {}
    name, *rest = ["version"] if words[0] == "--version" else words
    if name == "study":
        study = " ".join(rest[:1]) or "NAME"
        raise UserError(f"Studies belong to the repository, not to the package: run `python -m studies {study}` there.")
    if name not in commands:
        raise UserError(f"There is no command `{name}`.{nearest(name, commands)} `reverie --help` lists them.")
    command = commands[name]
    if set(_HELP) & set(rest):
        text = _parser(name, command).format_help().rstrip()
        return _print_text, argparse.Namespace(text=text, use=()), {}
    own, settings = _split(name, command, rest)
    return command.run, _parser(name, command).parse_intermixed_args(own), settings


def overview(commands: Mapping[str, Command]) -> str:
    """The help of `reverie` itself: one line for each command."""
    width = max(map(len, commands))
    lines = "\n".join(f"  {name:<{width}}  {command.summary}" for name, command in commands.items())
    return (
        "usage: reverie COMMAND ...\n\n"
        "Learn from pixels how a world moves, and act by planning or practicing inside the learned model.\n\n"
        f"{lines}\n\n"
        "`reverie COMMAND --help` explains a command. To begin:\n\n"
        f"  {commands['train'].example}"
    )


def options(command: Command) -> tuple[Argument, ...]:
    """The options that the command declares, with those that every command has."""
    return (*(argument for argument in command.arguments if argument.name.startswith("--")), USE)


def _print_text(arguments: argparse.Namespace, _: dict[str, str]) -> int:
    print(arguments.text)
    return 0


def _split(name: str, command: Command, words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Separate the words of the command's own arguments from its settings as {path: text}."""
    declared = {option.name: option for option in options(command)}
    own: list[str] = []
    settings: dict[str, str] = {}
    remaining = iter(words)
    for word in remaining:
        option, equals, text = word.partition("=")
        if not option.startswith("--"):
            own.append(word)
            continue
        path = option.removeprefix("--").replace("-", "_")
        if option not in declared and (_is_synonym(path, declared) or not _is_setting(path, command)):
            first_words = (command.settings.first_words if command.settings else None) or ()
            names = [*(option.removeprefix("--") for option in declared), *first_words]
            suggestion = f"{hint(path, names, prefix='--')} `reverie {name} --help` lists them."
            raise UserError(f"`reverie {name}` has no option `{option}`.{suggestion}")
        if option in declared and declared[option].flag:
            if equals:
                raise UserError(f"The option `{option}` takes no value: leave `={text}` out.")
            own.append(option)
            continue
        text = text if equals else next(remaining, "--")
        if text.startswith("--"):
            raise UserError(f"The option `{option}` needs a value: `{option} VALUE`.")
        if option in declared:
            own.append(f"{option}={text}")
        else:
            settings[path] = text
    return own, settings


def _is_setting(path: str, command: Command) -> bool:
    if command.settings is None:
        return False
    first_words = command.settings.first_words
    return first_words is None or path.split(".")[0] in first_words


def _is_synonym(path: str, declared: Mapping[str, Argument]) -> bool:
    """Whether `path` is another word for a declared option, as `env` is for `--env.id`."""
    return any(f"--{name}" in declared for name in SYNONYMS.get(path, ()))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"`{self.prog}`: {message}; `{self.prog} --help` explains.")


def _parser(name: str, command: Command) -> _Parser:
    settings = f"\n\n{command.settings.help}" if command.settings else ""
    parser = _Parser(
        prog=f"reverie {name}",
        description=f"{command.summary[0].upper()}{command.summary[1:]}.",
        epilog=f"example:\n  {command.example}{settings}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for argument in (*command.arguments, USE):
        _add(parser, argument)
    return parser


def _add(parser: argparse.ArgumentParser, argument: Argument) -> None:
    if argument.flag:
        parser.add_argument(argument.name, help=argument.help, action="store_true")
        return
    values: dict[str, Any] = {"help": argument.help, "type": argument.type, "default": argument.default}
    if argument.name.startswith("--"):
        action = "append" if argument.repeated else "store"
        parser.add_argument(argument.name, metavar=argument.metavar, action=action, **values)
    else:
        word = argument.name.strip("[]")
        parser.add_argument(word.lower(), metavar=word, nargs="?" if word != argument.name else None, **values)
