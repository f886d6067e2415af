"""Train many runs in one folder: start the longest first, try again what crashed, and stop all of them with a save.

The state of a sweep is that of its cells, and nothing else is kept. So the same command goes on after any end.
"""

import json
import shlex
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from reverie.errors import UserError
from reverie.files import atomic_write
from reverie.runs.interrupt import Interrupted, StopRequest, asked_to_stop
from reverie.runs.loop import Show
from reverie.runs.sweeps.base import Executor, Job
from reverie.runs.sweeps.board import open_board
from reverie.runs.sweeps.embedded import Embedded, slots, visible_gpus
from reverie.runs.sweeps.on_ray import RayExecutor
from reverie.runs.sweeps.plan import Methods, Plan, owned
from reverie.runs.sweeps.state import Cell, newest_checkpoint

TICK, RETRIES = 0.2, 3
"""Seconds between two looks at the processes, and attempts after a crash."""


def sweep(
    folder: str | Path,
    methods: Methods | None = None,
    *,
    on: str | None = None,
    jobs: int | None = None,
    per_gpu: int = 1,
    retries: int = RETRIES,
    resources: Mapping[str, float] | None = None,
    suite: str | None = None,
    progress: Show = "auto",
) -> list[Cell]:
    """Train and evaluate every cell of a sweep's folder that is not complete, and return all cells.

    - `methods`: what `reverie.grid` returns, or configs of your own by a name. Without it, the cells that there are go
      on. Seeds, tasks and methods that the folder lacks are added.
    - `on`: `ray`, or the address of a cluster, `ray://HOST:10001`. The default is this machine.
    - `jobs`: how many run at once at most. The default is as many as cores or GPUs allow.
    - `per_gpu`: how many share a GPU.
    - `retries`: attempts after a crash, counted anew from every checkpoint. A mistake is not tried again.
    - `resources`: what each cell asks of a Ray cluster besides CPUs and GPUs.
    - `suite`: the name of a list of tasks, for `sweep.json`.
    - `progress`: as in `reverie.train`.

    A cell that failed has its sentence, and the next call tries it again. Raises `UserError` for mistakes in the whole.
    Raises `Interrupted`, after every cell has saved, at Ctrl-C.
    """
    folder = Path(folder)
    failed: dict[str, str] = {}
    with owned(folder), ExitStack() as stack:
        plan = Plan.read(folder, methods)
        executor = stack.enter_context(closing(_open_executor(plan, on, jobs, per_gpu, resources or {})))
        plan.write(executor.threads, suite)
        stop = stack.enter_context(asked_to_stop("every cell is saved first"))
        board = stack.enter_context(open_board(f"sweep in {folder}", progress))
        _drive(executor, plan.jobs(), retries, stop, failed, lambda: board(lambda: plan.look(failed), False))
        board(lambda: plan.look(failed), True)
        if stop:
            raise Interrupted(f"Interrupted, and every cell was saved: go on with `reverie sweep {folder}`.")
    return plan.look(failed)


def commands(folder: str | Path, methods: Methods | None = None, suite: str | None = None) -> list[str]:
    """Make the cells of a sweep, and return a command for each that is not complete, such as for a job array."""
    folder = Path(folder)
    with owned(folder):
        plan = Plan.read(folder, methods)
        plan.write(1, suite)
        return [
            shlex.join(["reverie", "resume", str(job.folder), *(f"--use={module}" for module in job.modules)])
            for job in plan.jobs()
        ]


def _open_executor(
    plan: Plan, on: str | None, jobs: int | None, per_gpu: int, resources: Mapping[str, float]
) -> Executor:
    """Return the executor that the user wants."""
    if on is None:
        gpus = visible_gpus() if plan.uses_gpu else []
        return Embedded(slots(len(plan.configs), jobs, plan.threads, per_gpu, gpus))
    if on != "ray" and not on.startswith("ray://"):
        raise UserError(f"--on is `{on}`: give `ray`, or the address of a Ray cluster, such as ray://HOST:10001.")
    return RayExecutor(None if on == "ray" else on, plan.folder.absolute(), jobs, per_gpu, resources)


def _drive(
    executor: Executor,
    jobs: Sequence[Job],
    retries: int,
    stop: StopRequest,
    failed: dict[str, str],
    show: Callable[[], None],
) -> None:
    """Run all jobs until they have ended, or until `stop` is true. `failed` gets the sentences by name."""
    by_folder, waiting, busy = {job.folder: job for job in jobs}, deque(jobs), 0
    crashes = {job.folder: (newest_checkpoint(job.folder), 0) for job in jobs}
    """The newest checkpoint at the latest crash, and the crashes since it was written."""

    def fail(folder: Path, sentence: str) -> None:
        failed[folder.name] = sentence
        with suppress(OSError, UserError):  # its disk may be full
            atomic_write(folder / "failed.json", json.dumps({"sentence": sentence}).encode())

    try:
        while (waiting or busy) and not stop:
            while waiting and executor.free > 0 and not stop:
                job = waiting.popleft()
                try:
                    executor.start(job)
                    busy += 1
                except (OSError, UserError) as error:
                    fail(job.folder, str(error))
            for folder, code, sentence in executor.ended():
                busy -= 1
                newest, (before, count) = newest_checkpoint(folder), crashes[folder]
                crashes[folder] = newest, count + 1 if newest == before else 1
                if code == UserError.code or (code and crashes[folder][1] > retries):
                    fail(folder, sentence)
                elif code:
                    waiting.appendleft(by_folder[folder])
            show()
            time.sleep(TICK)
    except KeyboardInterrupt:  # a second Ctrl-C: what runs is ended at once
        raise
    except BaseException:
        with suppress(UserError):
            executor.stop()
        raise
    if stop:
        executor.stop()
