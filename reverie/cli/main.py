"""`reverie`: parse what was typed, and call the command.

Nothing here imports torch, so that help and a typing mistake are answered at once.
"""

import os
import sys
from collections.abc import Sequence

from reverie.cli.candidates import candidates
from reverie.cli.parsing import parse
from reverie.cli.table import COMMANDS
from reverie.config import plugins
from reverie.errors import UserError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0, 2 for a mistake of the user, 130 when interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words[:1] == ["_complete"]:
            print("\n".join(candidates(COMMANDS, words[1:])))
            return 0
        run, arguments, settings = parse(COMMANDS, words)
        for module in arguments.use or ():
            plugins.use(module)
        code = run(arguments, settings)
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"reverie: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("reverie: Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (`| head`) has gone; without this Python complains once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
