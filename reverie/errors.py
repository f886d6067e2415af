"""The one exception that a user's mistake raises, with a sentence that names the fix."""

import difflib
import os
from collections.abc import Iterable, Sequence

_NO_MEMORY = ("allocate memory", "out of memory", "not enough memory", "storage size calculation overflowed")
"""Words of PyTorch, whose allocator raises a mere RuntimeError."""


class UserError(Exception):
    """A mistake that the user can fix. The command line prints the sentence and exits with `code`."""

    code = 2

    def __init__(self, sentence: str) -> None:
        super().__init__(" ".join(sentence.splitlines()))  # names and other libraries' reasons may have line ends


def of_machine(error: Exception) -> str | None:
    """Return a sentence for an error of the machine: of a file, or of too little memory. None for any other error."""
    reason = next(iter(str(error).splitlines()), "")
    if isinstance(error, OSError):
        named = "" if error.filename is None else f" for {os.fspath(error.filename)!r}"
        return f"The system refuses a file or folder{named} ({error.strerror or reason}): see to it and try again."
    if isinstance(error, MemoryError) or any(words in reason.lower() for words in _NO_MEMORY):
        return f"There is too little memory ({reason}): take smaller layers, batches, images or sets of candidates."
    return None


def nearest(word: str, names: Iterable[str]) -> str:
    """Suggest the names that begin with `word`, else the closest one; an empty string where none is close."""
    names = list(names)
    beginning = [name for name in names if word and name.startswith(word)]
    return did_you_mean(beginning or difflib.get_close_matches(word, names, n=1, cutoff=0.5))


def did_you_mean(suggestions: Sequence[str]) -> str:
    """Ask ` Did you mean A, B or C?` with at most four suggestions; an empty string without any."""
    *others, last = suggestions[:4] or [""]
    return f" Did you mean {', '.join(others)}{' or ' if others else ''}{last}?" if last else ""
