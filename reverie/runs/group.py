"""One run on several devices: the processes that `torchrun` starts become the ranks of one run.

    torchrun --nproc-per-node 2 -m -- reverie train dreamer_v1

Rank 0 leads. It is the run of one process, with all that is written and played, except that it computes its rows of
every batch alone. The others follow: each has the same weights and replay, draws the same batch from the same states of
the generators, and computes its own rows. So a run of any number of ranks is the run of one process, up to the order of
sums. A checkpoint says nothing of ranks.

The leader calls methods of the followers' runs by name, in its own order (`Run.tell`).
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor

from reverie import tree
from reverie.data.storage import Disk
from reverie.envs.base import Environments
from reverie.envs.worker import STOP_SIGNALS
from reverie.errors import UserError
from reverie.math.ranks import Ranks, among
from reverie.runs.base import Run
from reverie.runs.config import OnlineConfig
from reverie.runs.online import OnlineRun
from reverie.spaces import EnvSpec

PATIENCE = timedelta(days=7)
"""The longest wait for another rank: the leader may evaluate for hours. One that has died is noticed at once."""
LOST = (
    "Another rank of this run has ended, so all end here: `resume` the run from its last checkpoint, by the same "
    "torchrun, with any number of processes."
)


def count() -> int:
    """Return how many processes `torchrun` has started for this run; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def follows() -> bool:
    """Whether another process leads the run."""
    return count() > 1 and int(os.environ["RANK"]) > 0


class ProcessRanks(Ranks):
    """The processes of `torchrun`, which share tensors by NCCL on GPUs and by Gloo on CPUs."""

    def __init__(self) -> None:
        self.rank, self.count = int(os.environ["RANK"]), count()

    def total(self, x: Tensor) -> Tensor:
        shared = x.detach().clone(memory_format=torch.contiguous_format)
        with _one_sentence():
            dist.all_reduce(shared)
        return shared

    def rows(self, x: Tensor) -> Tensor:
        own = x.detach().contiguous()
        own = own.byte() if x.dtype == torch.bool else own  # Gloo knows no bool
        parts = [torch.empty_like(own) for _ in range(self.count)]
        with _one_sentence():
            dist.all_gather(parts, own)
        return torch.cat(parts).to(x.dtype)

    def say(self, message: Any) -> None:
        """Send a message to all followers."""
        with _one_sentence():
            dist.broadcast_object_list([message], src=0, device=torch.device("cpu"))

    def hear(self) -> Any:
        """Return the leader's next message."""
        box = [None]
        with _one_sentence():
            dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]

    def meet(self) -> None:
        """Wait for all ranks."""
        self.total(torch.zeros(1))


@contextmanager
def _one_sentence() -> Iterator[None]:
    """Turn the error of a lost connection into a UserError."""
    try:
        yield
    except RuntimeError as error:
        raise UserError(LOST) from error


@contextmanager
def _joined() -> Iterator[ProcessRanks]:
    """Join the other ranks; on a machine with GPUs by the one that has this process's number."""
    backend = "gloo"
    if torch.cuda.is_available():
        backend = "cpu:gloo,cuda:nccl"
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    with _one_sentence():
        dist.init_process_group(backend, timeout=PATIENCE)
    ranks = ProcessRanks()
    try:
        with among(ranks):
            yield ranks
    finally:
        with suppress(RuntimeError):  # another rank may have ended
            dist.destroy_process_group()


@contextmanager
def led(run: Run[Any]) -> Iterator[None]:
    """Train the run together with the other ranks, if there are any, until the block ends."""
    if count() == 1:
        yield
        return
    if not isinstance(run, OnlineRun):
        raise UserError("Several ranks train agents alone: start a run on recorded data without torchrun.")
    check_shared(run.config, count())
    if isinstance(run.replay.storage, Disk):  # chosen by `auto`
        raise UserError(
            "The replay does not fit into memory, which several ranks need: take a smaller --replay.capacity."
        )
    with _joined() as ranks:
        state = tree.to(run.state(), "cpu")
        ranks.say((run.folder.absolute(), run.config, run.spec, state))
        ranks.meet()  # no file changes before all have read the replay
        run.tell = lambda method, *arguments: ranks.say((method, tree.to(arguments, "cpu")))
        try:
            yield
        finally:
            with suppress(UserError):
                ranks.say(None)


def check_shared(config: OnlineConfig, ranks: int) -> None:
    """Raise UserError where a run cannot be that of several ranks."""
    training = config.training
    if training.batch % ranks:
        raise UserError(
            f"--training.batch {training.batch} cannot be split between {ranks} ranks: take a multiple of {ranks}."
        )
    if config.replay.storage == "disk":
        raise UserError("--replay.storage disk is for one process: take memory, or start the run without torchrun.")
    if training.execution != "eager":
        raise UserError(
            f"--training.execution {training.execution} is for one process: take eager, or start it without torchrun."
        )


@dataclass(frozen=True)
class Absent:
    """The environments of a follower, which the leader plays."""

    spec: EnvSpec
    count: int

    def close(self) -> None:
        """There is nothing to close."""


def follow() -> Path:
    """Take part in the run that rank 0 leads until it ends. Return its folder.

    Signals that ask to stop are left to the leader, which saves first.
    """
    with _joined() as ranks:
        folder, config, spec, state = ranks.hear()
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        run = OnlineRun(config, folder, cast(Environments, Absent(spec, config.env.count)))
        run.load_state(state | {"collector": {"started": [], "begun": []}, "decision": None})
        ranks.meet()
        while (message := ranks.hear()) is not None:
            method, arguments = message
            getattr(run, method)(*arguments)
    return folder
