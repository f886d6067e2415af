"""One environment in a process of its own, and this end of its pipe."""

import os
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import get_context, resource_tracker, util
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from reverie.envs.base import EnvConfig, Environment, own_sampler
from reverie.errors import UserError
from reverie.spaces import EnvSpec

Make = Callable[[EnvConfig], Environment]

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "LP_NUM_THREADS": "0",  # Mesa's software OpenGL: 0 draws in the calling thread
}
"""A worker's share of the machine. These libraries read it once, when they are loaded."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Signals that ask a run to stop. A group of processes gets them together, and only the parent answers."""


class Ready(NamedTuple):
    """A worker's first message: what never changes in its environment."""

    spec: EnvSpec
    samples_actions: bool


class Worker:
    """The process of environment number `index`, and this end of its pipe. Its first reply is `Ready`.

    Replies are what a method returns, or the exception to raise here. None means that the worker died.
    """

    def __init__(self, index: int, config: EnvConfig, make: Make) -> None:
        context = get_context("spawn")  # forked copies of torch, OpenGL and their threads hang
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, index, config, make), daemon=True)
        with _worker_settings():
            self.process.start()
        theirs.close()  # an end that stays open here would hide the worker's death
        # Python waits for its workers when it exits, and they ignore the signal by which it would end them.
        self._end = util.Finalize(self, _end, (self.pipe, self.process), exitpriority=10)

    def send(self, method: str, *arguments: Any) -> None:
        """Ask for a method of the environment."""
        with suppress(OSError):  # it died: there will be no reply
            self.pipe.send((method, arguments))

    def receive(self) -> Any:
        """Return the next reply."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            return None

    def end(self) -> None:
        """Close the pipe, which ends the process, and wait for it. Kill it if it hangs."""
        self._end()


def _end(pipe: Connection, process: BaseProcess) -> None:
    pipe.close()
    process.join(timeout=10)
    if process.is_alive():
        process.kill()
        process.join()


def _serve(pipe: Connection, index: int, config: EnvConfig, make: Make) -> None:
    """Run a worker: make the environment, answer until the pipe closes."""
    _ignore_stop_signals()
    import cv2

    cv2.setNumThreads(1)
    with suppress(EOFError, OSError):  # raised by the pipe when the parent has gone
        environment = _attempt(index, make, config)
        if isinstance(environment, Exception):
            pipe.send(environment)
            return
        with ExitStack() as at_end:
            at_end.callback(close_safely, environment)
            pipe.send(Ready(environment.spec, own_sampler(environment) is not None))
            while True:
                method, arguments = pipe.recv()
                pipe.send(_attempt(index, getattr(environment, method), *arguments))


def close_safely(environment: Environment) -> None:
    """Close an environment. What `close` raises becomes a warning: it must not cost what was learned before."""
    try:
        environment.close()
    except Exception as error:
        warnings.warn(f"close() of the environment raised {error!r}: nothing is lost.", RuntimeWarning, stacklevel=3)


def _attempt(index: int, call: Callable[..., Any], *arguments: Any) -> Any:
    """Return what the call returns, or an exception for the parent: not every one that is raised can be pickled."""
    try:
        return call(*arguments)
    except UserError as error:
        return UserError(str(error))
    except Exception as error:
        failure = RuntimeError(f"Environment {index} failed: {type(error).__name__}: {error}")
        failure.add_note(f"In its worker:\n{traceback.format_exc()}")
        return failure


def _ignore_stop_signals() -> None:
    """Ignore the signals that ask to stop, while there is a parent to answer them.

    Handlers, unlike ignored or blocked signals, are not inherited by programs that the environment starts.
    """
    parent = os.getppid()

    def ignore(number: int, frame: object) -> None:
        if os.getppid() != parent:
            os._exit(128 + number)

    for number in STOP_SIGNALS:
        signal.signal(number, ignore)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


@contextmanager
def _worker_settings() -> Iterator[None]:
    """Set what a process that starts now inherits: the variables of `ONE_THREAD`, and blocked signals.

    Both must be set before its Python begins. The process then ignores the signals (`_ignore_stop_signals`).
    """
    before = {name: os.environ[name] for name in ONE_THREAD if name in os.environ}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    os.environ.update(ONE_THREAD)
    try:
        for _ in range(2):  # a start of the tracker unblocks some of them in this thread
            signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
            resource_tracker.ensure_running()
        yield
    finally:
        for name in ONE_THREAD:
            del os.environ[name]
        os.environ.update(before)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
