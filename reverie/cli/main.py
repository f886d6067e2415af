"""The command line: reads what was typed, and hands it to `reverie.cli.commands`.

Nothing here imports torch, so that help and a typing mistake are answered at once. Options that a command
does not know are settings of the config by dotted path, if it takes any: `--model.dynamics.deter 400`.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from reverie.cli.commands import data, evaluate, info, train
from reverie.errors import UserError, nearest


@dataclass(frozen=True)
class Argument:
    """A word that a command takes: `RECIPE` by its place, or `--size` by its name."""

    name: str
    help: str
    metavar: str | None = None
    type: Callable[[str], Any] = str
    default: Any = None
    flag: bool = False


@dataclass(frozen=True)
class Settings:
    """Options that are settings of a config: what help says of them, and their first words, None for any."""

    help: str
    first_words: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Command:
    """`run` gets the parsed arguments and, if the command takes `settings`, their texts by dotted path."""

    run: Callable[[argparse.Namespace, dict[str, str]], int]
    summary: str
    example: str
    arguments: tuple[Argument, ...] = ()
    settings: Settings | None = None


def _at_least_one(text: str) -> int:
    return _at_least(1, text)


def _not_negative(text: str) -> int:
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    number = int(text)
    if number < least:
        raise argparse.ArgumentTypeError(f"must be at least {least}, and {number} was given")
    return number


_RECIPE = Argument("RECIPE", "a name that `reverie recipes` lists")
_RUN = Argument("RUN", "the folder of a run")
_SEED = Argument("--seed", "of the episodes that are played (default: 0)", "N", int, 0)
_DEVICE = Argument("--device", "auto, cpu or cuda (default: auto)", "NAME", str, "auto")
_BUILD = (
    _RECIPE,
    Argument("--env.id", "environment that `reverie envs` lists (default: the recipe's own)", "ID"),
    Argument("--size", "tiny, laptop or paper (default: laptop)", "SIZE", str, "laptop"),
    Argument("--seed", "of everything random in the run (default: 0)", "N"),
    Argument("--device", "auto, cpu or cuda (default: auto)", "NAME"),
)

_OF_THE_CONFIG = Settings(
    "Every other setting of the config has an option too, by its dotted path: `reverie show RECIPE` lists them.\n"
    "  --model.dynamics.deter 400   a number\n"
    "  --env.observe pixels,state   a list\n"
    "  --env.time_limit none        nothing\n"
    "  --env.workers true           yes or no"
)
_OF_PLANNING = Settings(
    "Any of these makes the agent act by planning in its world model, whatever it was trained to do. A run that plans\n"
    "keeps its other settings; for one with a policy they are the defaults.\n"
    "  --planner NAME               CEM, ICEM, MPPI, Gradient, CEMThenGradient or RandomShooting (default: ICEM)\n"
    "  --planner.candidates 200     a setting of the planner by its dotted path; a wrong one is told which there are\n"
    "  --objective NAME             RewardSum (default), or RewardAndValue where the run has learned a value;\n"
    "                               Goal or PixelGoal towards goal images\n"
    "  --objective.gamma 0.97       discount a decision (default: 1; beside a value, as that was learned)\n"
    "  --num_samples 4              score the mean of so many sampled futures (default: 0, the mean transition)\n"
    "  --warm_start false           search anew at every decision, not from the last plan (default: true)\n"
    "Another environment, or another setting of the agent's own, is named likewise:\n"
    "  --env.id ID                  an agent learned from recordings needs one\n"
    "  --env.kwargs g=5             settings of the environment's constructor",
    ("planner", "objective", "num_samples", "warm_start", "env"),
)

_OF_THE_ENVIRONMENT = Settings(
    "How the environment is seen and played:\n"
    "  --env.observe pixels,state   what is observed (default: pixels)\n"
    "  --env.time_limit 50          frames in a trajectory (default: the environment's own)\n"
    "  --env.image_size 64          height and width of images\n"
    "  --env.repeat 2               frames that each action is held for; also --env.rendering, --env.camera",
    ("env",),
)

COMMANDS = {
    "train": Command(
        train.train,
        "learn in a new run folder, evaluate, and draw the results",
        "reverie train dreamer_v1 --env.id Pendulum-v1 --seed 1 --training.frames 20000",
        (*_BUILD, Argument("--run", "new folder for the run (default: runs/RECIPE-ENV-SEED)", "DIR")),
        settings=_OF_THE_CONFIG,
    ),
    "resume": Command(
        train.resume,
        "go on with a run from its newest checkpoint",
        "reverie resume runs/dreamer_v1-Pendulum-v1-0",
        (_RUN,),
        Settings(
            "A finished run goes on with a larger budget. Only the budget, evaluation and log intervals can change:\n"
            "  --training.frames 200000     the whole budget of an agent, with what it has played already\n"
            "  --training.updates 20000     the whole budget of a model that learns from recorded data\n"
            "  --evaluation.every 5000      frames between two evaluations",
            ("training", "evaluation", "goals", "goal_episodes"),
        ),
    ),
    "evaluate": Command(
        evaluate.evaluate,
        "play episodes with a trained agent, or with a planner in its world model; film the first",
        "reverie evaluate runs/dreamer_v1-Pendulum-v1-0 --episodes 10 --video pendulum.mp4",
        (
            _RUN,
            Argument("--episodes", "how many to play (default: 10)", "N", _at_least_one, 10),
            Argument("--video", "mp4 file for a film of the first episode", "FILE"),
            Argument("--moment", "draw what a planner weighed N decisions into the first episode", "N", _not_negative),
            Argument(
                "--goal",
                "act towards an image file, or a goal of the environment by name (default: the run's goals)",
                "GOAL",
            ),
            Argument("--json", "print the result as one JSON object and nothing else", flag=True),
            Argument("--out", "PNG file for the moment, or folder for the goals (default: in the run)", "PATH"),
            _SEED,
            _DEVICE,
        ),
        _OF_PLANNING,
    ),
    "imagine": Command(
        evaluate.imagine,
        "let a trained model go on from a few frames, and compare with what really happens",
        "reverie imagine runs/dreamer_v1-Pendulum-v1-0 --context 5 --horizon 45",
        (
            _RUN,
            Argument(
                "--context",
                "decisions that the model sees first (default: 5, half of the episode at most)",
                "N",
                _at_least_one,
            ),
            Argument("--horizon", "decisions that it then imagines (default: 45)", "N", _at_least_one, 45),
            Argument("--out", "folder for the pictures (default: the run's)", "DIR"),
            _SEED,
            _DEVICE,
        ),
    ),
    "sample": Command(
        evaluate.sample,
        "draw pictures from a trained generative model",
        "reverie sample runs/vae-digits-0 --count 64",
        (
            _RUN,
            Argument("--count", "how many (default: 64)", "N", _at_least_one, 64),
            Argument("--out", "PNG file (default: samples.png in the run)", "FILE"),
            Argument("--seed", "of the noise (default: 0)", "N", int, 0),
        ),
    ),
    "collect": Command(
        data.collect,
        "record random interaction with an environment, as a dataset to learn from",
        "reverie collect Pendulum-v1 --transitions 20000 --env.time_limit 50 --privileged state",
        (
            Argument("ID", "an environment's id"),
            Argument("--transitions", "how many, in whole trajectories (default: 10000)", "N", _at_least_one, 10_000),
            Argument("--out", "folder, gone on with if it is there (default: datasets/ID-SEED)", "DIR"),
            Argument("--seed", "of everything random (default: 0)", "N", _not_negative, 0),
            Argument("--workers", "processes that play at once (default: one a core)", "N", _at_least_one),
            Argument("--held-out", "share of the trajectories that is held out (default: 0.1)", "SHARE", float, 0.1),
            Argument("--privileged", "observations to record that models do not see: state, ...", "NAMES", str, ""),
            Argument("--minari", "give the dataset to Minari too, by this id: slide/random-v0", "ID"),
        ),
        _OF_THE_ENVIRONMENT,
    ),
    "show": Command(
        info.show,
        "print every setting of a recipe, and what to read to understand it",
        "reverie show dreamer_v1 --size paper",
        _BUILD,
        settings=_OF_THE_CONFIG,
    ),
    "recipes": Command(info.recipes, "list the methods that can be trained", "reverie recipes"),
    "envs": Command(
        info.envs,
        "list the environments that are installed",
        "reverie envs cartpole",
        (Argument("[FILTER]", "a part of the id"),),
    ),
    "check-env": Command(
        info.check_env,
        "test whether an environment keeps the contract",
        "reverie check-env CartPole-v1 --env.repeat 2",
        (Argument("ID", "an environment's id"),),
        settings=_OF_THE_CONFIG,
    ),
    "doctor": Command(info.doctor, "tell what this machine has and lacks", "reverie doctor"),
    "version": Command(info.version, "print the version", "reverie version"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0, 2 for a mistake of the user, 130 when interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _dispatch(words)
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"reverie: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("reverie: Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (`| head`) has gone; without this Python complains once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    name, *rest = ["version"] if words[0] == "--version" else words
    if name not in COMMANDS:
        raise UserError(f"There is no command `{name}`.{nearest(name, COMMANDS)} `reverie --help` lists them.")
    command = COMMANDS[name]
    if {"-h", "--help"} & set(rest):
        _parser(name, command).print_help()
        return 0
    rest, settings = _split(name, command, rest)
    return command.run(_parser(name, command).parse_args(rest), settings)


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items())
    return (
        "usage: reverie COMMAND ...\n\n"
        "Learn from pixels how a world moves, and act by planning or practicing inside the learned model.\n\n"
        f"{lines}\n\n"
        "`reverie COMMAND --help` tells what a command takes. To begin:\n\n"
        f"  {COMMANDS['train'].example}"
    )


def _split(name: str, command: Command, words: list[str]) -> tuple[list[str], dict[str, str]]:
    """The words that the command's own arguments are parsed from, and its settings as {path: text}."""
    known = [argument.name for argument in command.arguments if argument.name.startswith("--")]
    flags = {argument.name for argument in command.arguments if argument.flag}
    own: list[str] = []
    settings: dict[str, str] = {}
    remaining = iter(words)
    for word in remaining:
        option, equals, text = word.partition("=")
        if not option.startswith("--"):
            own.append(word)
            continue
        if option not in known and not _is_setting(option, command):
            first_words = (command.settings.first_words if command.settings else None) or ()
            hint = nearest(option, [*known, *(f"--{word}" for word in first_words)])
            raise UserError(f"`reverie {name}` has no option `{option}`.{hint} `reverie {name} --help` lists them.")
        if option in flags and not equals:
            own.append(option)
            continue
        text = text if equals else next(remaining, "--")
        if text.startswith("--"):
            raise UserError(f"The option `{option}` needs a value: `{option} VALUE`.")
        if option in known:
            own.append(f"{option}={text}")
        else:
            settings[option.removeprefix("--").replace("-", "_")] = text
    return own, settings


def _is_setting(option: str, command: Command) -> bool:
    if command.settings is None:
        return False
    first_words = command.settings.first_words
    return first_words is None or option.removeprefix("--").replace("-", "_").split(".")[0] in first_words


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
    for argument in command.arguments:
        options: dict[str, Any] = {"help": argument.help, "type": argument.type, "default": argument.default}
        if argument.flag:
            parser.add_argument(argument.name, action="store_true", help=argument.help)
        elif argument.name.startswith("--"):
            parser.add_argument(argument.name, metavar=argument.metavar, **options)
        else:
            word = argument.name.strip("[]")
            if word != argument.name:
                options["nargs"] = "?"
            parser.add_argument(word.lower(), metavar=word, **options)
    return parser
