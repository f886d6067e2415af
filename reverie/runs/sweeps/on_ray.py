"""Cells as tasks of a Ray cluster, which schedules and places them, and starts those of a lost node elsewhere.

Ray Core suffices: a cell's state is its folder, on storage that all nodes see, and its process goes on from there.

    Ray's workers run with SIGINT blocked, and children inherit that: `child` unblocks it.
    A task that waits for its child does not notice that it is canceled: it polls.
    Ray prints to the driver and reports use by default, and may write a token into the home folder: all are off.
"""

import logging
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
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
        asked = {"num_cpus": job.threads, "num_gpus": 1 / self.per_gpu if job.uses_gpu and self.has_gpus else 0}
        needed = {"CPU": asked["num_cpus"], "GPU": asked["num_gpus"], **self.resources}
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        if not any(all(node.get(name, 0) >= number for name, number in needed.items()) for node in nodes):
            words = ", ".join(f"{number:g} {name}" for name, number in needed.items() if number)
            raise UserError(f"No node of the cluster has {words}, which {job.folder.name} needs: ask for less.")
        task = self.ray.remote(run_job).options(
            **asked, resources=self.resources, max_retries=-1, name=job.folder.name, retry_exceptions=False
        )
        self.running[task.remote(job, str(Path.cwd()))] = job.folder

    def ended(self) -> list[Ended]:
        if not self.running:
            return []
        ready, _ = self.ray.wait(list(self.running), num_returns=len(self.running), timeout=0)
        return [self._result(reference) for reference in ready]

    def _result(self, reference: Any) -> Ended:
        folder = self.running.pop(reference)
        try:
            return Ended(folder, *self.ray.get(reference))
        except self.ray.exceptions.RayError as error:
            return Ended(folder, 1, _first_line(error))

    def stop(self) -> None:
        for reference in self.running:
            self.ray.cancel(reference)
        if self.running:
            self.ray.wait(list(self.running), num_returns=len(self.running))

    def close(self) -> None:
        for reference in self.running:
            self.ray.cancel(reference, force=True)
        if self.connected_here:
            self.ray.shutdown()


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
    """What a node says of itself."""

    host: str
    problem: str
    """What is wrong with the folder; empty where it can be read and written."""
    versions: dict[str, str]


def check_nodes(ray: Any, sweep: Path) -> None:
    """Let every node that can work read and write a file of the sweep's folder. UserError for one that cannot."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    mark = sweep / f".{os.getpid()}.{socket.gethostname()}.partial"
    mark.write_text(socket.gethostname())
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
    try:
        asked = {}
        for node in nodes:
            here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            options = {"num_cpus": 0, "scheduling_strategy": here, "max_retries": 0}
            asked[node["NodeManagerHostname"], node["NodeID"]] = (
                ray.remote(answer).options(**options).remote(mark, node["NodeID"])
            )
        answers = []
        for (host, node_id), reference in asked.items():
            try:
                answers.append(ray.get(reference, timeout=ANSWER))
            except (ray.exceptions.RayError, ray.exceptions.GetTimeoutError) as error:
                raise UserError(f"The node {host} cannot run Reverie: {_in_one_line(error)}") from error
            reply = reply_of(mark, node_id)
            if not answers[-1].problem and not reply.exists():
                answers[-1] = answers[-1]._replace(problem="what it writes there does not arrive here")
            reply.unlink(missing_ok=True)
    finally:
        mark.unlink(missing_ok=True)
    refuse_unfit(answers, sweep)


def reply_of(mark: Path, node_id: str) -> Path:
    """Return the file that a node writes beside the mark."""
    return mark.with_name(f".{node_id}.partial")


def answer(mark: Path, node_id: str) -> Answer:
    """Say what this node sees, and write a file as proof."""
    problem = ""
    try:
        mark.read_text()
        reply_of(mark, node_id).write_text("")
    except OSError as error:
        problem = error.strerror or type(error).__name__
    return Answer(socket.gethostname(), problem, versions())


def versions() -> dict[str, str]:
    """Return the versions of the packages that results depend on."""
    found = {}
    for name in SAME:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def refuse_unfit(answers: list[Answer], sweep: Path) -> None:
    """Raise UserError for the first node that does not see the folder, or has other software."""
    for host, problem, theirs in answers:
        if problem:
            raise UserError(
                f"The node {host} does not see {sweep} ({problem}): take a folder on storage that all nodes share."
            )
        for name, version in versions().items():
            if theirs.get(name) != version:
                raise UserError(
                    f"The node {host} has {name} {theirs.get(name, 'not installed')}, and this machine has {version}: "
                    "install the same on every node."
                )


def _in_one_line(error: Exception) -> str:
    """Return the message of an error on one line, as a sentence."""
    words = " ".join(str(error).split()) or type(error).__name__
    return f"{words[:300].rstrip('.')}."


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
