"""`reverie`: parse what was typed, and call the command.

Nothing here imports torch, so that help and typing mistakes are answered at once.
"""

import os
import sys
from collections.abc import Sequence

from reverie.cli.commands import check, compare, completion, compute, doctor, info, play, share, sweep
from reverie.cli.parsing import parse
from reverie.config import plugins
from reverie.errors import UserError, of_machine

_COMMANDS = (
    *(compute.train, compute.resume, compute.evaluate, compute.imagine, compute.sample, compute.collect),
    *(play.play, share.push, share.export),
    *(sweep.sweep, sweep.suite, compare.compare),
    *(info.show, info.recipes, info.envs, info.runs, check.check_env, check.check),
    *(doctor.doctor, completion.completion, info.version),
)
COMMANDS = {command.name: command for command in _COMMANDS}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Return the exit code: 0, 2 for a mistake of the user, 130 after Ctrl-C."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words[:1] == ["_complete"]:
            print("\n".join(completion.candidates(COMMANDS, words[1:])))
            return 0
        code, parsed = 0, parse(COMMANDS, words)
        if parsed is not None:
            run, arguments, settings = parsed
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
        # The reader (`| head`) has gone. Without this, Python complains once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, MemoryError, RuntimeError) as error:
        sentence = of_machine(error)
        if sentence is None:
            raise
        print(f"reverie: {sentence}", file=sys.stderr)
        return UserError.code
