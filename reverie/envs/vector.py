"""Several environments at once: in turn in this process, or each in a process of its own.

Both give the same bits. Processes pay where an environment is slow and cores are free. On the trainer's own cores they
slow it down several-fold.
"""

import warnings
from contextlib import ExitStack
from typing import Any

import numpy as np

from reverie.envs.base import EnvConfig, Environment, SampleManyActions, Step, own_sampler
from reverie.envs.worker import Make, Ready, Worker, close_safely
from reverie.errors import UserError

MAX_DEATHS = 3
"""Deaths of one worker in a row, without a finished step between them, after which no new one is started."""


class SerialEnvironments:
    """`config.count` environments played in turn in this process."""

    def __init__(self, config: EnvConfig, make: Make) -> None:
        self.count = config.count
        self._environments: list[Environment] = []
        with ExitStack() as on_error:
            on_error.callback(self.close)
            for _ in range(config.count):
                self._environments.append(make(config))
            on_error.pop_all()
        self.spec = self._environments[0].spec

    def reset(self, seeds: dict[int, int]) -> dict[int, Step]:
        return {index: self._environments[index].reset(seed) for index, seed in seeds.items()}

    def step(self, actions: dict[int, np.ndarray]) -> dict[int, Step | None]:
        return {index: self._environments[index].step(action) for index, action in actions.items()}

    def send(self, actions: dict[int, np.ndarray]) -> None:
        self._sent = actions

    def receive(self) -> dict[int, Step | None]:
        return self.step(self._sent)

    def render(self, index: int) -> np.ndarray:
        return self._environments[index].render()

    @property
    def sample_actions(self) -> SampleManyActions | None:
        samplers = [sample for each in self._environments if (sample := own_sampler(each)) is not None]
        if not samplers:
            return None
        return lambda count, seeds: {index: samplers[index](count, seed) for index, seed in seeds.items()}

    def close(self) -> None:
        for environment in self._environments:
            close_safely(environment)


class WorkerEnvironments:
    """`config.count` environments, each in a process of its own, stepped side by side.

    A worker that dies is replaced with a warning: its step is None, and the new one waits for `reset`. What an
    environment raises is raised here: a UserError as itself, all else as a RuntimeError with the original message.
    Raises UserError after `MAX_DEATHS` deaths in a row without one finished step.

    `make` must be picklable, a function at the top of a module.
    """

    def __init__(self, config: EnvConfig, make: Make) -> None:
        self._config, self._make, self.count = config, make, config.count
        self._deaths = [0] * config.count
        self._lost: set[int] = set()
        """Those that died in `sample_actions` or `render`, until their next step or reset."""
        self._workers: list[Worker] = []
        with ExitStack() as on_error:
            on_error.callback(self.close)
            for index in range(config.count):  # all start before the first is waited for
                self._workers.append(Worker(index, config, make))
            self._ready, *_ = [self._wait_until_ready(index) for index in range(config.count)]
            on_error.pop_all()
        self.spec = self._ready.spec

    @property
    def process_ids(self) -> list[int]:
        """The ids of the present workers, by index."""
        return [worker.process.pid or 0 for worker in self._workers]

    def reset(self, seeds: dict[int, int]) -> dict[int, Step]:
        """Start an episode in each environment named. Where a worker dies, its replacement is asked again."""
        steps: dict[int, Step] = {}
        self._lost -= seeds.keys()
        while missing := {index: (seed,) for index, seed in seeds.items() if index not in steps}:
            steps |= {index: step for index, step in self._ask("reset", missing).items() if step is not None}
        return {index: steps[index] for index in seeds}

    def step(self, actions: dict[int, np.ndarray]) -> dict[int, Step | None]:
        self.send(actions)
        return self.receive()

    def send(self, actions: dict[int, np.ndarray]) -> None:
        self._sent = {index: index not in self._lost for index in actions}
        self._lost -= actions.keys()
        self._post("step", {index: (action,) for index, action in actions.items() if self._sent[index]})

    def receive(self) -> dict[int, Step | None]:
        steps = self._replies("step", [index for index, alive in self._sent.items() if alive])
        return {index: steps.get(index) for index in self._sent}

    def render(self, index: int) -> np.ndarray | None:
        frame = self._ask("render", {index: ()})[index]
        self._lost |= {index} if frame is None else set()
        return frame

    @property
    def sample_actions(self) -> SampleManyActions | None:
        return self._sample_actions if self._ready.samples_actions else None

    def _sample_actions(self, count: int, seeds: dict[int, int]) -> dict[int, np.ndarray | None]:
        actions = self._ask("sample_actions", {index: (count, seed) for index, seed in seeds.items()})
        self._lost |= {index for index, sampled in actions.items() if sampled is None}
        return actions

    def close(self) -> None:
        for worker in self._workers:
            worker.pipe.close()  # all end side by side
        for worker in self._workers:
            worker.end()

    def _ask(self, method: str, arguments: dict[int, tuple[Any, ...]]) -> dict[int, Any]:
        """Call a method of the environments named, side by side. Those whose worker died give None."""
        self._post(method, arguments)
        return self._replies(method, list(arguments))

    def _post(self, method: str, arguments: dict[int, tuple[Any, ...]]) -> None:
        for index, each in arguments.items():
            self._workers[index].send(method, *each)

    def _replies(self, method: str, indices: list[int]) -> dict[int, Any]:
        replies = {index: self._workers[index].receive() for index in indices}
        for index, reply in replies.items():
            if reply is None:
                self._replace(index)
            elif isinstance(reply, Step) and method == "step":
                self._deaths[index] = 0
        for reply in replies.values():  # only now: every pipe must have been read
            if isinstance(reply, Exception):
                raise reply
        return replies

    def _wait_until_ready(self, index: int) -> Ready:
        """Wait until a worker has made its environment."""
        reply = self._workers[index].receive()
        if isinstance(reply, Exception):
            raise reply
        return self._replace(index) if reply is None else reply

    def _replace(self, index: int) -> Ready:
        """Start a new worker for one that died, and wait until it has made its environment."""
        self._workers[index].end()
        exit_code = self._workers[index].process.exitcode
        self._deaths[index] += 1
        if self._deaths[index] >= MAX_DEATHS:
            raise UserError(
                f"The worker of environment {index} died {MAX_DEATHS} times in a row without finishing a step"
                f" (exit code {exit_code}): to see why, play {self._config.id} in this process, without --env.workers."
            )
        self._workers[index] = Worker(index, self._config, self._make)
        warnings.warn(
            f"The worker of environment {index} died (exit code {exit_code}) and was started again.",
            RuntimeWarning,
            stacklevel=4,
        )
        return self._wait_until_ready(index)
