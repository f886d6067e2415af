"""The contract of an executor: what starts the processes of cells, here or on a cluster."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol


@dataclass(frozen=True)
class Job:
    """A cell to be started."""

    folder: Path
    threads: int
    uses_gpu: bool
    modules: tuple[str, ...] = ()
    """Modules with parts of the user's own, which the cell's process imports."""


class Ended(NamedTuple):
    """A cell whose process has ended, with its exit code and, unless it is complete, the sentence that says why."""

    folder: Path
    code: int
    sentence: str = ""


class Executor(Protocol):
    """What starts the processes of cells. A cell's process is `child.main`, with every executor."""

    threads: int
    """Threads of a cell whose config leaves them open."""

    @property
    def free(self) -> int:
        """How many more jobs can be started now."""
        ...

    def start(self, job: Job) -> None: ...

    def ended(self) -> list[Ended]:
        """Return the cells that have ended since the last call, without waiting."""
        ...

    def stop(self) -> None:
        """Ask every cell to save and end, and wait until they have."""
        ...

    def close(self) -> None:
        """End at once what is left."""
        ...


def gpu_variables(gpu: str) -> dict[str, str]:
    """Return the variables that give a process one GPU, for its tensors and for what MuJoCo draws."""
    drawing = {"MUJOCO_EGL_DEVICE_ID": gpu} if gpu.isdecimal() else {}
    return {"CUDA_VISIBLE_DEVICES": gpu} | drawing
