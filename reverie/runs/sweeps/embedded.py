"""Cells as child processes of this one, as many at once as cores or GPUs allow."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from reverie.data.recording import available_cores
from reverie.errors import UserError
from reverie.runs.sweeps import child
from reverie.runs.sweeps.base import Ended, Job, gpu_variables

Slot = dict[str, str]
"""Variables of the environment that give a child its place, such as one GPU."""


class Embedded:
    """The executor of one machine. Every slot holds one process."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.slots, self.threads = list(slots), max(1, available_cores() // len(slots))
        self.running: dict[Path, tuple[subprocess.Popen, Slot]] = {}

    @property
    def free(self) -> int:
        return len(self.slots)

    def start(self, job: Job) -> None:
        process = child.start(job.folder, job.modules, job.threads, self.slots[0])
        self.running[job.folder] = process, self.slots.pop(0)

    def ended(self) -> list[Ended]:
        codes = {folder: process.poll() for folder, (process, _) in self.running.items()}
        ended = [
            Ended(folder, code, child.last_words(folder, code)) for folder, code in codes.items() if code is not None
        ]
        self.slots += [self.running.pop(folder)[1] for folder, _, _ in ended]
        return ended

    def stop(self) -> None:
        for process, _ in self.running.values():
            process.send_signal(signal.SIGTERM)
        for process, _ in self.running.values():
            process.wait()

    def close(self) -> None:
        for process, _ in self.running.values():
            process.kill()
            process.wait()


def slots(cells: int, jobs: int | None, threads: int, per_gpu: int, gpus: Sequence[str]) -> list[Slot]:
    """Return a place for each of the processes that run at once, no more than there are `cells`.

    There are `per_gpu` on each GPU, where neighbors get different ones, else as many as the cores allow. `threads` is
    those of a cell, 0 where that is open. `jobs` is the user's own limit.
    """
    if not gpus:
        places: list[Slot] = [{}] * (jobs or max(1, available_cores() // max(1, threads)))
    else:
        places = [gpu_variables(gpu) for _ in range(per_gpu) for gpu in gpus]
        if jobs is not None and jobs > len(places):
            raise UserError(
                f"--jobs {jobs} does not fit, because --per-gpu {per_gpu} lets {len(places)} run at once on "
                f"{len(gpus)} GPU{'s' if len(gpus) > 1 else ''}: raise --per-gpu too."
            )
    return places[: max(1, min(jobs or cells, cells))]


def visible_gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the GPUs of this machine by the names that `CUDA_VISIBLE_DEVICES` gives them."""
    count = torch.cuda.device_count()
    named = [name.strip() for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return named[:count] if named else [str(index) for index in range(count)]
