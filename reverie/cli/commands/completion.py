"""Completion by the tab key: a shell's script calls `reverie _complete`, which prints the words that fit.

Nothing here imports torch.
"""

from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence

from reverie.cli import names
from reverie.cli.commands.check import KINDS
from reverie.cli.parsing import Argument, Command, Texts, command, options
from reverie.errors import UserError, nearest
from reverie.runs.sweeps.suites import SUITES

SHELLS = {
    "bash": """# Put into ~/.bashrc: eval "$(reverie completion bash)"
_reverie() {
    local IFS=$'\\n'
    COMPREPLY=($(reverie _complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _reverie reverie""",
    "zsh": """# Put into ~/.zshrc, after compinit: eval "$(reverie completion zsh)"
_reverie() {
    local candidates=("${(@f)$(reverie _complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    [[ -n "$candidates" ]] && compadd -a candidates || _files
}
compdef _reverie reverie""",
    "fish": """# Put into ~/.config/fish/config.fish: reverie completion fish | source
complete -c reverie -a '(reverie _complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'""",
}
"""The script of each shell. It offers files where `reverie _complete` prints nothing."""


@command(
    "reverie completion bash",
    Argument("SHELL", "bash, zsh or fish; the first line of the script says where to put it"),
)
def completion(arguments: Namespace, _: Texts) -> int:
    """Print a script that completes commands, options, recipes and environments by the tab key."""
    shell = arguments.shell
    if shell not in SHELLS:
        shells = ", ".join(SHELLS)
        raise UserError(f"There is no completion for `{shell}`.{nearest(shell, SHELLS)} There is: {shells}.")
    names.refresh()
    print(SHELLS[shell])
    return 0


def candidates(commands: Mapping[str, Command], words: Sequence[str]) -> list[str]:
    """Return what the last of `words` can become. `words` follow `reverie` on the command line."""
    *before, begun = words or [""]
    return [word for word in _words_after(commands, before, begun) if word.startswith(begun)]


def _words_after(commands: Mapping[str, Command], before: Sequence[str], begun: str) -> Iterable[str]:
    """Return every word that can follow the words `before`."""
    if not before:
        return commands
    name, *rest = before
    if name not in commands:
        return ()
    command, cached = commands[name], names.read()
    recipes = cached.get("settings", {})
    declared = {option.name: option for option in options(command)}
    if begun.startswith("--"):
        recipe = next((word for word in rest if word in recipes), None)
        settings = recipes[recipe] if recipe and command.settings else ()
        return [*declared, "--help", *(f"--{path}" for path in settings)]
    place = before[-1]
    option = next((word for word in reversed(rest) if word.startswith("--")), "")
    if option in declared and declared[option].many:
        place = option
    if not place.startswith("--") or (place in declared and declared[place].flag):
        places = [argument.name for argument in command.arguments if not argument.name.startswith("--")]
        place = places[len(rest)] if len(rest) < len(places) else ""
    if place == "--published":
        from reverie.evaluation import published  # numpy, for which no other word need wait

        return published.names()
    values: dict[str, Iterable[str]] = {
        "RECIPE": recipes,
        "ID": cached.get("envs", ()),
        "--env.id": cached.get("envs", ()),
        "--size": cached.get("sizes", ()),
        "--device": ("auto", "cpu", "cuda"),
        "KIND": (*KINDS, "env"),
        "SHELL": SHELLS,
        "--recipes": recipes,
        "--tasks": cached.get("envs", ()),
        "SUITE": SUITES,
    }
    return values.get(place, ())
