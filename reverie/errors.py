"""The one exception that a user's mistake raises: a clear sentence that names the fix."""

import difflib
from collections.abc import Iterable, Sequence

_MOST = 4


class UserError(Exception):
    """Something the user can put right. The command line prints the sentence and exits with `code`."""

    code = 2


def nearest(word: str, names: Iterable[str]) -> str:
    """A hint ` Did you mean X?` at the names that begin with `word`, else at the closest; empty where none is close."""
    names = list(names)
    beginning = [name for name in names if word and name.startswith(word)]
    return did_you_mean(beginning or difflib.get_close_matches(word, names, n=1, cutoff=0.5))


def did_you_mean(suggestions: Sequence[str]) -> str:
    """` Did you mean A, B or C?` with at most four suggestions, or an empty string without any."""
    *others, last = suggestions[:_MOST] or [""]
    return f" Did you mean {', '.join(others)}{' or ' if others else ''}{last}?" if last else ""
