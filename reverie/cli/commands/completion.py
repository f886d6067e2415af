"""`reverie completion`: scripts that have a shell call `reverie _complete` at each press of the tab key."""

from argparse import Namespace

from reverie.cli import names
from reverie.cli.commands.arguments import Texts
from reverie.errors import UserError, nearest

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
"""The script of each shell: it asks `reverie _complete`, and offers files where that prints nothing."""


def completion(arguments: Namespace, _: Texts) -> int:
    """`reverie completion SHELL`"""
    shell = arguments.shell
    if shell not in SHELLS:
        shells = ", ".join(SHELLS)
        raise UserError(f"There is no completion for `{shell}`.{nearest(shell, SHELLS)} There is: {shells}.")
    names.refresh()
    print(SHELLS[shell])
    return 0
