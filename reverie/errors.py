"""The one exception that a user's mistake raises, with a sentence that names the fix."""

import difflib
from collections.abc import Iterable, Sequence


class UserError(Exception):
    """A mistake that the user can fix. The command line prints the sentence and exits with `code`."""

    code = 2


def nearest(word: str, names: Iterable[str]) -> str:
    """Suggest the names that begin with `word`, else the closest one; an empty string where none is close."""
    names = list(names)
    beginning = [name for name in names if word and name.startswith(word)]
    return did_you_mean(beginning or difflib.get_close_matches(word, names, n=1, cutoff=0.5))


def did_you_mean(suggestions: Sequence[str]) -> str:
    """Ask ` Did you mean A, B or C?` with at most four suggestions; an empty string without any."""
    *others, last = suggestions[:4] or [""]
    return f" Did you mean {', '.join(others)}{' or ' if others else ''}{last}?" if last else ""
