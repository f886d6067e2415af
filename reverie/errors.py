"""The one exception that a user's mistake raises: a clear sentence that names the fix."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can put right. The command line prints the sentence and exits with code 2."""


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint ` Did you mean X?` for the closest of `known`, or an empty string where none is close."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {matches[0]}?" if matches else ""
