"""Signals that ask to stop: Ctrl-C, SIGTERM, SIGHUP, and SIGUSR1 and SIGUSR2, by which Slurm warns of a time limit.

What is computed goes on to the next point where it can stop: between two updates, two decisions, or two decisions of an
evaluation or recording. A computation with nothing to save is `interruptible` at once.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from reverie.envs.worker import STOP_SIGNALS
from reverie.errors import UserError

ONE_PRESS = 1.0
"""Seconds within which several Ctrl-C are one. A process may get it from the terminal and from its parent."""


class Interrupted(UserError):
    """A signal asked to stop. The text says what was saved, and how to go on."""

    code = 130


class Stopped(BaseException):
    """Raised at a point where a computation can stop, once a signal has asked for it."""


class StopRequest:
    """True once a signal has asked to stop."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.since = 0.0
        self.saving = False
        """Whether a save has begun because of the request. No further Ctrl-C stops it."""

    def __bool__(self) -> bool:
        return self.signal is not None

    def check(self) -> None:
        """Raise `Stopped` if a signal has asked to stop."""
        if self:
            raise Stopped


@contextmanager
def asked_to_stop(promise: str = "the run is saved first") -> Iterator[StopRequest]:
    """Yield a request that the first signal makes true. It is answered at once by a line with `promise`.

    A second Ctrl-C raises KeyboardInterrupt, except while the run is being saved. Outside the main thread, where
    signals cannot be caught, the request stays false.
    """
    request = StopRequest()

    def ask(number: int, frame: FrameType | None) -> None:
        if not request:
            request.signal, request.since = signal.Signals(number), time.monotonic()
            say(f"stopping at {request.signal.name}: {promise}; Ctrl-C again stops at once")
        elif number == signal.SIGINT and not request.saving and time.monotonic() - request.since > ONE_PRESS:
            raise KeyboardInterrupt

    with _handled_by(ask):
        yield request


@contextmanager
def interruptible(sentence: str) -> Iterator[None]:
    """Let a signal end the block at once, by `Interrupted` with this sentence."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped

    try:
        with _handled_by(stop):
            yield
    except (Stopped, KeyboardInterrupt):
        raise Interrupted(sentence) from None


def say(text: str) -> None:
    """Write a line to the error stream. A signal may interrupt any write, so no buffer of Python is used."""
    with suppress(OSError):
        os.write(2, f"{text}\n".encode())


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle the signals in this block, also those that the parent process had blocked, as Ray and Slurm may.

    SIGHUP stays ignored if it is, because `nohup` asks for that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    hung_up = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    numbers = [number for number in STOP_SIGNALS if number != signal.SIGHUP or not hung_up]
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        for number in numbers:
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)  # one that comes now waits for the handlers of before
        for number, previous in before.items():
            signal.signal(number, previous)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
