"""Ctrl-C and SIGTERM stop a run between two steps, never within one."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reverie.errors import UserError


class Interrupted(UserError):
    """Ctrl-C: the run was saved, and the text says how to go on."""

    code = 130


@contextmanager
def asked_to_stop() -> Iterator[list[int]]:
    """Yield a list that is empty until Ctrl-C is pressed. A second Ctrl-C stops at once.

    A second SIGTERM does not: a cluster sends it to a process and to its parent, which passes it on.

    Outside the main thread, where signals cannot be caught, the list stays empty.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, frame: object) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
