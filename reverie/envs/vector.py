"""Several environments at once: in turn in this process, or each in a process of its own.

Both give the same bits. Processes pay where an environment is slow and cores are free; on the trainer's own
cores they slow it down several-fold.
"""

import os
import signal
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, cast

import numpy as np

from reverie.envs.base import EnvConfig, Environment, SampleManyActions, Step, own_sampler
from reverie.errors import UserError
from reverie.spaces import EnvSpec

Make = Callable[[EnvConfig], Environment]

MAX_DEATHS = 3
"""Deaths of one worker in a row, no step finished between them, after which it is given up."""
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "LP_NUM_THREADS": "0",  # Mesa's software OpenGL: 0 draws in the calling thread
}
"""A worker's share of the machine. These libraries read it once, when they are loaded."""


class SerialEnvironments:
    """`config.count` environments played in turn in this process."""

    def __init__(self, config: EnvConfig, make: Make) -> None:
        self._environments: list[Environment] = []
        try:
            for _ in range(config.count):
                self._environments.append(make(config))
        except BaseException:
            self.close()
            raise

    @property
    def spec(self) -> EnvSpec:
        return self._environments[0].spec

    @property
    def count(self) -> int:
        return len(self._environments)

    def reset(self, seeds: dict[int, int]) -> dict[int, Step]:
        return {index: self._environments[index].reset(seed) for index, seed in seeds.items()}

    def step(self, actions: dict[int, np.ndarray]) -> dict[int, Step | None]:
        return {index: self._environments[index].step(action) for index, action in actions.items()}

    @property
    def sample_actions(self) -> SampleManyActions | None:
        samplers = [sample for each in self._environments if (sample := own_sampler(each)) is not None]
        if not samplers:
            return None
        return lambda count, seeds: {index: samplers[index](count, seed) for index, seed in seeds.items()}

    def close(self) -> None:
        for environment in self._environments:
            environment.close()


class WorkerEnvironments:
    """`config.count` environments, each in a process of its own, stepped side by side.

    A worker that dies is replaced with a warning: its step is None, and the new one waits for `reset`. What
    an environment raises is raised here: a UserError as itself, all else as a RuntimeError with the
    original message. After `MAX_DEATHS` deaths in a row without one finished step a UserError gives up.

    `make` must be picklable, a function at the top of a module.
    """

    def __init__(self, config: EnvConfig, make: Make) -> None:
        self._config, self._make = config, make
        self._deaths = [0] * config.count
        self._void: set[int] = set()
        """Those that died in `sample_actions`, until their next step or reset."""
        self._workers: list[_Worker] = []
        try:
            for _ in range(config.count):  # all start before the first is waited for
                self._workers.append(_Worker(config, make))
            self._ready, *_ = [self._wait_until_ready(index) for index in range(config.count)]
        except BaseException:
            self.close()
            raise

    @property
    def spec(self) -> EnvSpec:
        return self._ready.spec

    @property
    def count(self) -> int:
        return len(self._workers)

    @property
    def process_ids(self) -> list[int]:
        """Of the present workers, by index."""
        return [worker.process.pid or 0 for worker in self._workers]

    def reset(self, seeds: dict[int, int]) -> dict[int, Step]:
        """Start an episode in each environment named; where a worker dies, its replacement is asked again."""
        steps: dict[int, Step] = {}
        self._void -= seeds.keys()
        while missing := {index: seed for index, seed in seeds.items() if index not in steps}:
            steps |= {index: step for index, step in self._ask("reset", missing).items() if step is not None}
        return {index: steps[index] for index in seeds}

    def step(self, actions: dict[int, np.ndarray]) -> dict[int, Step | None]:
        void = self._void & actions.keys()
        self._void -= void
        steps = self._ask("step", {index: action for index, action in actions.items() if index not in void})
        return {index: steps.get(index) for index in actions}

    @property
    def sample_actions(self) -> SampleManyActions | None:
        return self._sample_actions if self._ready.samples_actions else None

    def _sample_actions(self, count: int, seeds: dict[int, int]) -> dict[int, np.ndarray | None]:
        actions = self._ask("sample_actions", {index: (count, seed) for index, seed in seeds.items()})
        self._void |= {index for index, sampled in actions.items() if sampled is None}
        return actions

    def close(self) -> None:
        for worker in self._workers:
            worker.send(("close", None))
        for worker in self._workers:
            worker.end()

    def _ask(self, method: str, arguments: dict[int, Any]) -> dict[int, Any]:
        """Call a method of the environments named, side by side; None from those whose worker died."""
        sent = {index: self._workers[index].send((method, value)) for index, value in arguments.items()}
        replies = {index: self._workers[index].receive() if sent[index] else None for index in arguments}
        for index, reply in replies.items():
            if reply is None:
                self._replace(index)
            elif isinstance(reply, Step) and method == "step":
                self._deaths[index] = 0
        for index, reply in replies.items():  # only now: every pipe must have been read
            if isinstance(reply, _Failure):
                raise reply.error(index)
        return replies

    def _wait_until_ready(self, index: int) -> "_Ready":
        """Wait until a worker has made its environment."""
        while (reply := self._workers[index].ready()) is None:
            self._replace(index)
        if isinstance(reply, _Failure):
            raise reply.error(index)
        return cast(_Ready, reply)

    def _replace(self, index: int) -> None:
        self._workers[index].end()
        exit_code = self._workers[index].process.exitcode
        self._deaths[index] += 1
        if self._deaths[index] >= MAX_DEATHS:
            raise UserError(
                f"The worker of environment {index} died {MAX_DEATHS} times in a row without finishing a step"
                f" (exit code {exit_code}): to see why, play {self._config.id} in this process, without"
                " --env.workers."
            )
        self._workers[index] = _Worker(self._config, self._make)
        warnings.warn(
            f"The worker of environment {index} died (exit code {exit_code}) and was started again.",
            RuntimeWarning,
            stacklevel=4,
        )


@dataclass(frozen=True)
class _Ready:
    """A worker's first message: what never changes in its environment."""

    spec: EnvSpec
    samples_actions: bool


@dataclass(frozen=True)
class _Failure:
    """An exception on its way to the parent; as text, for not every exception can be pickled."""

    is_user_error: bool
    message: str
    trace: str

    def error(self, index: int) -> Exception:
        if self.is_user_error:
            return UserError(self.message)
        error = RuntimeError(f"Environment {index} failed: {self.message}")
        error.add_note(f"In its worker:\n{self.trace}")
        return error


class _Worker:
    """One process and this end of its pipe. Its first message is `_Ready` or a `_Failure`."""

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

    def send(self, message: tuple[str, Any]) -> bool:
        """Whether it could be sent. A worker that has only just been started reads it when it is ready."""
        try:
            self._pipe.send(message)
        except OSError:
            return False
        return True

    def receive(self) -> Any:
        """Return the reply to one message, or a `_Failure`; None if the worker died."""
        ready = self.ready()
        return self._receive() if isinstance(ready, _Ready) else ready

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
            pipe.send(_Ready(environment.spec, own_sampler(environment) is not None))
            while (message := pipe.recv())[0] != "close":
                pipe.send(_reply(environment, *message))
        finally:
            environment.close()


def _reply(environment: Environment, method: str, argument: Any) -> Step | np.ndarray | _Failure:
    try:
        if method == "sample_actions":
            return environment.sample_actions(*argument)  # pyrefly: ignore  # asked only where there is one
        return environment.reset(argument) if method == "reset" else environment.step(argument)
    except Exception as error:
        return _failure(error)


def _failure(error: Exception) -> _Failure:
    if isinstance(error, UserError):
        return _Failure(True, str(error), "")
    return _Failure(False, f"{type(error).__name__}: {error}", traceback.format_exc())


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
