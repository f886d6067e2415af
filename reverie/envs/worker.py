"""One environment in a process of its own, and this end of its pipe."""

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from reverie.envs.base import EnvConfig, Environment, Step, own_sampler
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


@dataclass(frozen=True)
class Ready:
    """A worker's first message: what never changes in its environment."""

    spec: EnvSpec
    samples_actions: bool


@dataclass(frozen=True)
class Failure:
    """An exception on its way to the parent. It is text, because not every exception can be pickled."""

    is_user_error: bool
    message: str
    trace: str

    def error(self, index: int) -> Exception:
        if self.is_user_error:
            return UserError(self.message)
        error = RuntimeError(f"Environment {index} failed: {self.message}")
        error.add_note(f"In its worker:\n{self.trace}")
        return error


class Worker:
    """One process and this end of its pipe. Its first message is `Ready` or a `Failure`."""

    def __init__(self, config: EnvConfig, make: Make) -> None:
        context = get_context("spawn")  # forked copies of torch, OpenGL and their threads hang
        self._pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, config, make), daemon=True)
        self._ready: Any = None
        with _settings_of_a_worker():
            self.process.start()
        theirs.close()  # else this process would hold it open, and never see the worker's death

    def ready(self) -> Any:
        """Return the first message; None if the worker died before it."""
        if self._ready is None:
            self._ready = self._receive()
        return self._ready

    def send(self, method: str, *arguments: Any) -> bool:
        """Ask for a method of the environment. False if that could not be sent; a starting worker reads it later."""
        try:
            self._pipe.send((method, arguments))
        except OSError:
            return False
        return True

    def receive(self) -> Any:
        """Return the reply to one message, or a `Failure`; None if the worker died."""
        ready = self.ready()
        return self._receive() if isinstance(ready, Ready) else ready

    def _receive(self) -> Any:
        try:
            return self._pipe.recv()
        except (EOFError, OSError):
            return None

    def end(self) -> None:
        """Close the pipe and wait for the process; one that hangs is killed."""
        self._pipe.close()
        self.process.join(timeout=10)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _serve(pipe: Connection, config: EnvConfig, make: Make) -> None:
    """Run a worker: make the environment, answer until the pipe closes."""
    import cv2

    cv2.setNumThreads(1)
    with suppress(EOFError, OSError):  # raised by the pipe when the parent has gone
        try:
            environment = make(config)
        except Exception as error:
            pipe.send(_failure(error))
            return
        try:
            pipe.send(Ready(environment.spec, own_sampler(environment) is not None))
            while (message := pipe.recv())[0] != "close":
                pipe.send(_reply(environment, *message))
        finally:
            environment.close()


def _reply(environment: Environment, method: str, arguments: tuple[Any, ...]) -> Step | np.ndarray | Failure:
    try:
        return getattr(environment, method)(*arguments)
    except Exception as error:
        return _failure(error)


def _failure(error: Exception) -> Failure:
    if isinstance(error, UserError):
        return Failure(True, str(error), "")
    return Failure(False, f"{type(error).__name__}: {error}", traceback.format_exc())


@contextmanager
def _settings_of_a_worker() -> Iterator[None]:
    """Set what a process that starts now inherits: the variables of `ONE_THREAD`, and Ctrl-C ignored.

    Both must be set before its Python begins. Ctrl-C reaches every process of a terminal. Only the parent answers it;
    workers end when their pipe closes.
    """
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main_thread else None
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if in_main_thread:
            signal.signal(signal.SIGINT, handler)
