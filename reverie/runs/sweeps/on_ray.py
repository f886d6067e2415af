"""Cells as tasks of a Ray cluster, which schedules and places them, and starts those of a lost node elsewhere.

Ray Core suffices: a cell's state is its folder, on storage that all nodes see, and its process goes on from there.

    Ray's workers run with SIGINT blocked, and children inherit that: `child` unblocks it.
    A task that waits for its child does not notice that it is canceled: it polls.
    Ray prints to the driver and reports use by default, and may write a token into the home folder: all are off.
"""

import logging
import os
import socket
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from reverie.errors import UserError
from reverie.runs.sweeps import child
from reverie.runs.sweeps.base import Ended, Job, gpu_variables

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""What Ray reads before it starts, unless the user has set it."""
MISSING = "pip install 'reverie[cluster]'"
POLL, ANSWER = 0.2, 120.0
"""Seconds between two looks at a child, and those in which a node must answer."""
SAME = ("reverie", "torch", "numpy")
"""Packages that must be the same on every node, because results depend on them."""


class RayExecutor:
    """The executor of a cluster. It knows nothing of nodes: a job asks for CPUs and a part of a GPU."""

    threads = 1

    def __init__(
        self, address: str | None, sweep: Path, jobs: int | None, per_gpu: int, resources: Mapping[str, float]
    ) -> None:
        self.ray, self.connected_here = connect(address)
        self.jobs, self.per_gpu, self.resources = jobs or 1_000_000, per_gpu, dict(resources)
        self.running: dict[Any, Path] = {}
        try:
            self.has_gpus = self.ray.cluster_resources().get("GPU", 0) > 0
            check_nodes(self.ray, sweep)
        except BaseException:
            self.close()
            raise

    @property
    def free(self) -> int:
        return self.jobs - len(self.running)

    def start(self, job: Job) -> None:
        gpus = 1 / self.per_gpu if job.uses_gpu and self.has_gpus else 0
        needed = {"CPU": job.threads, "GPU": gpus, **self.resources}
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        if not any(all(node.get(name, 0) >= number for name, number in needed.items()) for node in nodes):
            words = ", ".join(f"{number:g} {name}" for name, number in needed.items() if number)
            warnings.warn(f"No node of the cluster has {words} now: {job.folder.name} waits for one.", stacklevel=2)
        task = self.ray.remote(run_job).options(
            num_cpus=job.threads, num_gpus=gpus, resources=self.resources, max_retries=-1, name=job.folder.name
        )
        self.running[task.remote(job, str(Path.cwd()))] = job.folder

    def ended(self) -> list[Ended]:
        return [self._result(reference) for reference in self._wait(timeout=0)]

    def _wait(self, timeout: float | None) -> list[Any]:
        """Return the tasks that have ended. Without a timeout, wait for all."""
        running = list(self.running)
        with _answering():
            return self.ray.wait(running, num_returns=len(running), timeout=timeout)[0] if running else []

    def _result(self, reference: Any) -> Ended:
        folder = self.running.pop(reference)
        try:
            return Ended(folder, *self.ray.get(reference))
        except self.ray.exceptions.RayError as error:
            return Ended(folder, 1, _in_one_line(error))

    def stop(self) -> None:
        with _answering():
            for reference in self.running:
                self.ray.cancel(reference)
        self._wait(timeout=None)

    def close(self) -> None:
        with suppress(UserError), _answering():
            for reference in self.running:
                self.ray.cancel(reference, force=True)
        if self.connected_here:
            self.ray.shutdown()


@contextmanager
def _answering() -> Iterator[None]:
    """Turn any error into a `UserError`: the connection is lost."""
    try:
        yield
    except Exception as error:
        raise UserError(
            f"The cluster does not answer any more: {_in_one_line(error)} Give the same command again to go on."
        ) from error


def run_job(job: Job, working_folder: str) -> tuple[int, str]:
    """Run a cell's process on this node. Return its exit code and, unless that is 0, its last words."""
    if not (job.folder / "config.json").is_file():
        return UserError.code, f"{socket.gethostname()} does not see {job.folder}: mount the folder on every node."
    with suppress(OSError):
        os.chdir(working_folder)  # where scripts and modules of the user's own may lie
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    process = child.start(job.folder, job.modules, job.threads, gpu_variables(gpus) if gpus else {})
    try:
        while process.poll() is None:
            time.sleep(POLL)
    except BaseException:  # the task is canceled, or its worker ends: the child saves
        process.terminate()
        process.wait()
        raise
    return process.returncode, child.last_words(job.folder, process.returncode)


def connect(address: str | None) -> tuple[Any, bool]:
    """Connect to a cluster, or start Ray on this machine where there is none. Return Ray, and whether it was idle."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise UserError(f"Ray is not installed: {MISSING}.") from None
    if ray.is_initialized():
        return ray, False
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    except Exception as error:
        place = address or os.environ.get("RAY_ADDRESS") or "this machine"
        raise UserError(f"Ray at {place} does not answer: {_in_one_line(error)}") from error
    return ray, True


class Answer(NamedTuple):
    """What a node says of itself: what is wrong with the folder, if anything, and its versions of `SAME`."""

    host: str
    problem: str
    versions: dict[str, str]


def check_nodes(ray: Any, sweep: Path) -> None:
    """Let every node that can work read and write a file of the sweep's folder. UserError for one that cannot.

    A node that is lost meanwhile is left out: the others do the work.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = working_nodes(ray)
    with tempfile.TemporaryDirectory(prefix=".nodes-", dir=sweep) as folder:
        replies = {node["NodeID"]: Path(folder) / node["NodeID"] for node in nodes}
        asked = {}
        for name, reply in replies.items():
            here = NodeAffinitySchedulingStrategy(name, soft=False)
            asked[name] = ray.remote(answer).options(num_cpus=0, scheduling_strategy=here, max_retries=0).remote(reply)
        for node in nodes:
            try:
                said = ray.get(asked[node["NodeID"]], timeout=ANSWER)
            except (ray.exceptions.RayError, TimeoutError) as error:
                if node["NodeID"] not in [other["NodeID"] for other in working_nodes(ray)]:
                    continue
                host = node["NodeManagerHostname"]
                raise UserError(f"The node {host} cannot run Reverie: {_in_one_line(error)}") from error
            arrived = replies[node["NodeID"]].exists()
            refuse_unfit(said if arrived or said.problem else said._replace(problem="it has another one"), sweep)


def working_nodes(ray: Any) -> list[dict[str, Any]]:
    """Return the nodes that are alive and have CPUs."""
    return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]


def answer(reply: Path) -> Answer:
    """Write a file where this node sees the folder, and say what it has."""
    problem = ""
    try:
        reply.touch()
    except OSError as error:
        problem = error.strerror or type(error).__name__
    return Answer(socket.gethostname(), problem, versions())


def versions() -> dict[str, str]:
    """Return the versions of the packages that results depend on."""
    return {name: metadata.version(name) for name in SAME}


def refuse_unfit(answer: Answer, sweep: Path) -> None:
    """Raise UserError for a node that does not see the folder, or has other software."""
    host, problem, theirs = answer
    if problem:
        raise UserError(
            f"The node {host} does not see {sweep} ({problem}): take a folder on storage that all nodes share."
        )
    for name, version in versions().items():
        if theirs[name] != version:
            raise UserError(
                f"The node {host} has {name} {theirs[name]}, and this machine has {version}: install the same on every "
                "node."
            )


def _in_one_line(error: Exception) -> str:
    """Return the message of an error on one line, as a sentence."""
    words = " ".join(str(error).split()) or type(error).__name__
    return f"{words[-300:].rstrip('.')}."
